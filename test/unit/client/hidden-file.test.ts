/** Secrets for programs that we start. */
import { execFileSync, type StdioOptions } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openHiddenFile } from '../../../src/client/hidden-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('openHiddenFile()', () => {
  it('L9 is read by who is given it, from its start, and has no name', async () => {
    const home = join(tempDir('hidden'), 'home');
    const file = await openHiddenFile(home, 'a secret');
    try {
      expect(readdirSync(home)).toEqual([]);
      const stdio = ['ignore', 'pipe', 'inherit', file.fd] as StdioOptions;
      for (let n = 0; n < 2; n += 1) {
        expect(execFileSync('cat', ['/dev/fd/3'], { stdio }).toString()).toBe('a secret');
      }
    } finally {
      await file.close();
    }
  });
});
