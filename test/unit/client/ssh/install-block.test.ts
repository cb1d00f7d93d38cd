/** The user's own `~/.ssh/config`: what is theirs stays, and what is ours is there once. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { blockMarks, configBlock } from '../../../../src/client/ssh/config-block.ts';
import { installBlock } from '../../../../src/client/ssh/install-block.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const BLOCK = configBlock({
  hostnames: ['*.example.com'],
  proxy: ['/usr/bin/postern', 'access', 'tcp'],
  certify: ['/usr/bin/postern', 'access', 'ssh-gen'],
  keyFolder: '/home/ann/.postern/ssh',
});

let file: string;

beforeEach(() => void (file = join(tempDir('home'), '.ssh', 'config')));

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

describe('installBlock()', () => {
  it('makes the file and its folder for the user alone', async () => {
    expect(await installBlock(file, BLOCK)).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe(BLOCK);
    expect([modeOf(file), modeOf(join(file, '..'))]).toEqual([0o600, 0o700]);
  });

  it('changes nothing the second time', async () => {
    await installBlock(file, BLOCK);
    expect(await installBlock(file, BLOCK)).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe(BLOCK);
  });

  it('keeps what is there, with its mode, and takes the right to write from others', async () => {
    mkdirSync(join(file, '..'));
    writeFileSync(file, 'Host a\n  User bob\n');
    chmodSync(file, 0o666);
    await installBlock(file, BLOCK);
    expect(readFileSync(file, 'utf8')).toBe(`${BLOCK}\nHost a\n  User bob\n`);
    expect(modeOf(file)).toBe(0o644);
  });

  it('follows a link to where the user keeps the file', async () => {
    const kept = join(tempDir('dotfiles'), 'ssh-config');
    writeFileSync(kept, 'Host a\n');
    mkdirSync(join(file, '..'));
    symlinkSync(kept, file);
    await installBlock(file, BLOCK);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(readFileSync(kept, 'utf8')).toBe(`${BLOCK}\nHost a\n`);
  });

  it('leaves a file alone whose marks it does not understand', async () => {
    mkdirSync(join(file, '..'));
    writeFileSync(file, `${blockMarks().begin}\nHost a\n`);
    await expect(installBlock(file, BLOCK)).rejects.toMatchObject({ code: 'CLI_FAILED' });
    expect(readFileSync(file, 'utf8')).toBe(`${blockMarks().begin}\nHost a\n`);
  });

  it('says which file cannot be written', async () => {
    mkdirSync(file, { recursive: true });
    await expect(installBlock(file, BLOCK)).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining(file),
    });
  });
});
