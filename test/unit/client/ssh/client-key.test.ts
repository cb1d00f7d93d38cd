/** Keys that the client makes, read by the real ssh-keygen. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { newClientKey } from '../../../../src/client/ssh/client-key.ts';
import { mustRun } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { toolPath } from '../../../support/tools.ts';

it('newClientKey() makes a private key whose public half ssh-keygen finds', async () => {
  const key = newClientKey();
  const file = join(tempDir('key'), 'key');
  writeFileSync(file, key.privateText);
  chmodSync(file, 0o600);
  const { stdout } = await mustRun(toolPath('ssh-keygen'), ['-y', '-f', file]);
  expect(stdout.trim()).toBe(key.publicLine);
});

it('newClientKey() makes another key each time', () => {
  expect(newClientKey().publicLine).not.toBe(newClientKey().publicLine);
});
