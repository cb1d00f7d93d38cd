/** Credential files: what they look like on disk, and what is not believed. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FileVault } from '../../../../src/client/credentials/file-vault.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const ACCOUNT = 'https://auth.postern.test:8443';
const FILE = 'https_auth.postern.test_8443.json';
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

function openVault(): { vault: FileVault; home: string; file: string } {
  const home = join(tempDir('vault'), 'home');
  return { vault: new FileVault(home), home, file: join(home, 'credentials', FILE) };
}

describe('FileVault', () => {
  it('keeps a text, gives it back and forgets it', async () => {
    const { vault } = openVault();
    expect(await vault.read(ACCOUNT)).toBeUndefined();
    await vault.write(ACCOUNT, 'one');
    await vault.write(ACCOUNT, 'two');
    expect(await vault.read(ACCOUNT)).toBe('two');
    expect(await vault.read('https://auth.postern.test')).toBeUndefined();
    expect(await vault.remove(ACCOUNT)).toBe(true);
    expect(await vault.remove(ACCOUNT)).toBe(false);
    expect(await vault.read(ACCOUNT)).toBeUndefined();
  });

  it('L1 makes files 0600 in folders 0700 whatever the umask', async () => {
    for (const umask of [0o000, 0o777]) {
      const { vault, home, file } = openVault();
      const former = process.umask(umask);
      try {
        await vault.write(ACCOUNT, 'secret');
      } finally {
        process.umask(former);
      }
      expect([home, join(home, 'credentials'), file].map(modeOf)).toEqual(['700', '700', '600']);
    }
  });

  it('L1 closes folders that were open to others', async () => {
    const { vault, home } = openVault();
    mkdirSync(join(home, 'credentials'), { recursive: true });
    chmodSync(home, 0o777);
    chmodSync(join(home, 'credentials'), 0o755);
    await vault.write(ACCOUNT, 'secret');
    expect([home, join(home, 'credentials')].map(modeOf)).toEqual(['700', '700']);
  });

  it('L1 does not believe a file that others could read, and replaces it by one that is 0600', async () => {
    const { vault, file } = openVault();
    await vault.write(ACCOUNT, 'old');
    chmodSync(file, 0o644);
    await expect(vault.read(ACCOUNT)).rejects.toMatchObject({
      code: 'CLI_CREDENTIALS',
      message: expect.stringContaining('other users can read or write it'),
    });
    await vault.write(ACCOUNT, 'new');
    expect([await vault.read(ACCOUNT), modeOf(file)]).toEqual(['new', '600']);
  });

  it('L1 follows no symbolic link, neither to read nor to write', async () => {
    const { vault, home, file } = openVault();
    await vault.write('https://other', 'x');
    const target = join(home, 'target');
    writeFileSync(target, 'theirs', { mode: 0o600 });
    symlinkSync(target, file);
    await expect(vault.read(ACCOUNT)).rejects.toMatchObject({
      code: 'CLI_CREDENTIALS',
      message: expect.stringContaining('symbolic link'),
    });
    await vault.write(ACCOUNT, 'ours');
    expect(readFileSync(target, 'utf8')).toBe('theirs');
    expect(lstatSync(file).isSymbolicLink()).toBe(false);
    expect(await vault.read(ACCOUNT)).toBe('ours');
  });

  it('leaves no temporary file, and none of an account that climbs', async () => {
    const { vault, home } = openVault();
    await vault.write('../../../etc/x', 'text');
    expect(readdirSync(join(home, 'credentials'))).toEqual(['.._.._.._etc_x.json']);
    expect(existsSync(join(home, '..', 'etc'))).toBe(false);
  });

  it('refuses a folder of another user', async () => {
    const vault = new FileVault('/proc/self');
    await expect(vault.write(ACCOUNT, 'x')).rejects.toMatchObject({ code: 'CLI_CREDENTIALS' });
  });
});
