import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { openRuntimeFolder } from '../../../../../src/cli/connector/hand-over/runtime-folder.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const isRoot = process.getuid?.() === 0;
/** Somebody else. */
const NOBODY = 65_534;

function modeOf(path: string): number {
  return lstatSync(path).mode & 0o777;
}

/** The folder that counts when the first choice is not safe: never the one in it. */
async function instead(base: string): Promise<string> {
  const XDG_RUNTIME_DIR = tempDir('instead');
  const folder = await openRuntimeFolder({ RUNTIME_DIRECTORY: base, XDG_RUNTIME_DIR });
  expect(folder).toBe(join(XDG_RUNTIME_DIR, 'postern'));
  return folder;
}

describe('openRuntimeFolder()', () => {
  it('is a folder for this user alone where systemd says, else where the session has one', async () => {
    const [service, session] = [tempDir('service'), tempDir('session')];
    const env = { RUNTIME_DIRECTORY: `${service}:/elsewhere`, XDG_RUNTIME_DIR: session };
    const folder = await openRuntimeFolder(env);
    expect(folder).toBe(join(service, 'connectors'));
    expect(modeOf(folder)).toBe(0o700);
    const ofSession = await openRuntimeFolder({ XDG_RUNTIME_DIR: session });
    expect(ofSession).toBe(join(session, 'postern'));
    expect(modeOf(ofSession)).toBe(0o700);
    // Twice is no problem.
    expect(await openRuntimeFolder(env)).toBe(folder);
  });

  it('is one for the user id among temporary files where neither is there, or they are no absolute paths', async () => {
    for (const env of [{}, { RUNTIME_DIRECTORY: 'run', XDG_RUNTIME_DIR: '' }]) {
      const folder = await openRuntimeFolder(env);
      expect(folder).toMatch(new RegExp(`/postern-${process.getuid?.()}$`));
      expect(modeOf(folder)).toBe(0o700);
    }
  });

  it('is not a link that somebody put there', async () => {
    const [base, elsewhere] = [tempDir('base'), tempDir('elsewhere')];
    symlinkSync(elsewhere, join(base, 'connectors'));
    await instead(base);
  });

  it('is not a file', async () => {
    const base = tempDir('base');
    writeFileSync(join(base, 'connectors'), '');
    await instead(base);
  });

  it.each([0o701, 0o710, 0o770, 0o755])('is not one that others can enter: %o', async (mode) => {
    const base = tempDir('base');
    mkdirSync(join(base, 'connectors'));
    chmodSync(join(base, 'connectors'), mode);
    await instead(base);
  });

  it('is not in a place where others could put another one', async () => {
    const base = tempDir('base');
    chmodSync(base, 0o777);
    await instead(base);
    // As in /tmp, where only its owner can take something away.
    chmodSync(base, 0o1777);
    expect(await openRuntimeFolder({ RUNTIME_DIRECTORY: base })).toBe(join(base, 'connectors'));
  });

  it('is not another user’s, nor in another user’s folder', async () => {
    // Only root can give something away; to everybody else all that is root's is another user's.
    const [base, theirs] = isRoot ? [tempDir('base'), tempDir('theirs')] : ['/', '/root'];
    if (isRoot) {
      mkdirSync(join(base, 'connectors'), { mode: 0o700 });
      for (const given of [join(base, 'connectors'), theirs]) chownSync(given, NOBODY, NOBODY);
    }
    await instead(base);
    await instead(theirs);
  });

  it('says what is wrong when no place is safe', async () => {
    const base = tempDir('base');
    writeFileSync(join(base, 'connectors'), '');
    const env = { RUNTIME_DIRECTORY: base };
    await expect(openRuntimeFolder(env, join(base, 'missing'))).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringMatching(/connectors is not a folder; .*missing.*ENOENT/),
    });
  });
});
