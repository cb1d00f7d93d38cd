/** Where the keys that sshd trusts may be written, and how. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { writeTrustedKeys } from '../../../../src/cli/gateway/trusted-keys-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LINES = ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'];
const OWN = process.getuid?.() ?? 0;

let dir: string;

beforeEach(() => void (dir = tempDir('keys')));

function failure(why: string): object {
  return expect.objectContaining({ code: 'CLI_FAILED', message: expect.stringContaining(why) });
}

describe('writeTrustedKeys()', () => {
  it.each([0o000, 0o077])('K17 writes for its owner with mode 0644, umask %o', async (mask) => {
    const file = join(dir, 'ca.pub');
    const before = process.umask(mask);
    try {
      await writeTrustedKeys(file, LINES, OWN);
    } finally {
      process.umask(before);
    }
    expect(readFileSync(file, 'utf8')).toBe('ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n');
    expect(statSync(file)).toMatchObject({ uid: OWN, mode: 0o100644 });
  });

  it('K17 replaces a file that others could write', async () => {
    const file = join(dir, 'ca.pub');
    writeFileSync(file, 'theirs');
    chmodSync(file, 0o666);
    await writeTrustedKeys(file, LINES, OWN);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readFileSync(file, 'utf8')).toContain('one');
  });

  it.each([0o777, 0o775])('K17 refuses a folder that others can write to (%o)', async (mode) => {
    const folder = join(dir, 'open');
    mkdirSync(join(folder, 'deep'), { recursive: true });
    chmodSync(folder, mode);
    for (const file of [join(folder, 'ca.pub'), join(folder, 'deep', 'ca.pub')]) {
      await expect(writeTrustedKeys(file, LINES, OWN)).rejects.toEqual(
        failure('others can write to the folder'),
      );
    }
  });

  it('K17 refuses a link, which somebody else may have put there', async () => {
    writeFileSync(join(dir, 'elsewhere'), 'as it was');
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'ca.pub'));
    await expect(writeTrustedKeys(join(dir, 'ca.pub'), LINES, OWN)).rejects.toEqual(
      failure('not a plain file'),
    );
    expect(readFileSync(join(dir, 'elsewhere'), 'utf8')).toBe('as it was');
  });

  it('K17 refuses to write as somebody else than the owner', async () => {
    const file = join(dir, 'ca.pub');
    await expect(writeTrustedKeys(file, LINES, OWN + 1)).rejects.toEqual(failure('only root'));
  });

  it('says where there is no folder', async () => {
    await expect(writeTrustedKeys(join(dir, 'no', 'ca.pub'), LINES, OWN)).rejects.toEqual(
      failure('ENOENT'),
    );
  });

  // Only root can give a folder away.
  (OWN === 0 ? it : it.failing)('K17 refuses the folder of another user', async () => {
    const folder = join(dir, 'theirs');
    mkdirSync(folder);
    chownSync(folder, 12_345, 12_345);
    await expect(writeTrustedKeys(join(folder, 'ca.pub'), LINES, OWN)).rejects.toEqual(
      failure('others can write'),
    );
  });
});
