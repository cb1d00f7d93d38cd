/** Keys that live as long as one ssh. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';

import { expect, it } from '@jest/globals';

import { newClientKey } from '../../../../src/client/ssh/client-key.ts';
import { writeTemporaryKey } from '../../../../src/client/ssh/temporary-key.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const KEY = newClientKey();

it('writeTemporaryKey() writes for the user alone, and removes all of it', () => {
  const runtime = tempDir('run');
  const { file, remove } = writeTemporaryKey(KEY, 'the certificate', { XDG_RUNTIME_DIR: runtime });
  expect(dirname(dirname(file))).toBe(runtime);
  expect(readFileSync(file, 'utf8')).toBe(KEY.privateText);
  expect(readFileSync(`${file}-cert.pub`, 'utf8')).toBe('the certificate\n');
  const modes = [dirname(file), file, `${file}-cert.pub`].map(
    (path) => statSync(path).mode & 0o777,
  );
  expect(modes).toEqual([0o700, 0o600, 0o600]);
  remove();
  remove();
  expect(existsSync(dirname(file))).toBe(false);
});

it.each([{}, { XDG_RUNTIME_DIR: '/nowhere' }, { XDG_RUNTIME_DIR: 'relative' }])(
  'writeTemporaryKey() falls back to the temporary folder (%j)',
  (env) => {
    const { file, remove } = writeTemporaryKey(KEY, 'x', env);
    expect(dirname(dirname(file))).toBe(tmpdir());
    remove();
  },
);

it('writeTemporaryKey() leaves no listener behind', () => {
  const before = process.listenerCount('exit');
  const keys = [1, 2, 3].map(() => writeTemporaryKey(KEY, 'x', { XDG_RUNTIME_DIR: tempDir('r') }));
  for (const { remove } of keys) remove();
  expect(process.listenerCount('exit')).toBe(before);
});
