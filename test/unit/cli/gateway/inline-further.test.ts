import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';

import { inlineFurther } from '../../../../src/cli/gateway/inline-further.ts';

describe('inlineFurther', () => {
  it('sets limits that the V8 of this Node has', () => {
    const options = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    expect(options).toMatch(/^ *--max-inlined-bytecode-size /m);
    expect(options).toMatch(/^ *--max-inlined-bytecode-size-cumulative /m);
    expect(inlineFurther).not.toThrow();
  });
});
