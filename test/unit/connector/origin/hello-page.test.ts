import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  HELLO_POLICY,
  renderHelloJson,
  renderHelloPage,
} from '../../../../src/connector/origin/hello-page.ts';

const identity = { tunnel: 'office', replica: '7f3c' };
const request = { method: 'GET', url: '/', version: 'HTTP/1.1', headers: [] };

describe('renderHelloPage()', () => {
  it('escapes everything that comes from outside', () => {
    const attack = `"'><script>alert(1)</script>&`;
    const page = renderHelloPage(
      { tunnel: attack, replica: attack },
      { method: attack, url: attack, version: attack, headers: [[attack, attack]] },
    );
    expect(page).not.toContain('<script>');
    expect(page).toContain('&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;');
  });

  it('has a policy that allows its own style and nothing else', () => {
    const page = renderHelloPage(identity, request);
    const style = /<style>([\s\S]*)<\/style>/.exec(page)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(HELLO_POLICY).toContain(`style-src 'sha256-${hash}'`);
    expect(HELLO_POLICY).toContain("default-src 'none'");
    expect(page).not.toMatch(/ style=|<script|<link|<img|https?:/);
  });
});

it.each([
  'Cookie',
  'Authorization',
  'Postern-Access-Jwt-Assertion',
  'X-Api-Key',
  'Postern-Client-Secret',
  'X-Auth-Token',
])('neither page nor JSON shows the value of %s', (name) => {
  const headers = [[name, 'do-not-tell'] as const];
  for (const render of [renderHelloPage, renderHelloJson]) {
    const shown = render(identity, { ...request, headers });
    expect(shown).toContain(name);
    expect(shown).toContain('hidden, 11 characters');
    expect(shown).not.toContain('do-not-tell');
  }
});
