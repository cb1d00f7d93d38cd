import { expect, it } from '@jest/globals';
import { escapeHtml } from '../../../src/core/escape-html.ts';

it('escapeHtml() takes the power from all five characters, and leaves the rest', () => {
  expect(escapeHtml(`<a href="x" title='y'>&amp;</a> ü`)).toBe(
    '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt; ü',
  );
});
