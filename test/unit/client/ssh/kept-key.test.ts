/** Keys that stay between commands: one for a host, whoever comes first, and certificates that are for it. */
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { parseSshPublicKey } from '../../../../src/access/ssh/ssh-public-key.ts';
import { signUserCertificate } from '../../../../src/access/ssh/user-certificate.ts';
import { newClientKey, publicLineOf } from '../../../../src/client/ssh/client-key.ts';
import { openKeptKey } from '../../../../src/client/ssh/kept-key.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const HOST = 'ssh.example.com';

let folder: string;

beforeEach(() => void (folder = join(tempDir('kept'), 'ssh')));

function certificate(publicLine: string): string {
  const wanted = {
    key: parseSshPublicKey(publicLine),
    serial: 1n,
    keyId: 'test',
    principals: ['ann'],
    validAfter: 1_800_000_000,
    validBefore: 1_800_000_300,
    criticalOptions: { 'source-address': '10.0.0.0/8' },
    extensions: ['permit-pty'],
  };
  return signUserCertificate(wanted, generateKeyPairSync('ed25519').privateKey);
}

describe('openKeptKey()', () => {
  it('makes a key that only the user can read, and finds it again', async () => {
    const key = await openKeptKey(folder, HOST);
    expect(key.expiresAt).toBeUndefined();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, HOST)).mode & 0o777).toBe(0o600);
    expect((await openKeptKey(folder, HOST)).publicLine).toBe(key.publicLine);
    expect((await openKeptKey(folder, 'db.example.com')).publicLine).not.toBe(key.publicLine);
  });

  it('gives the same key to many commands at once, and leaves nothing else behind', async () => {
    const keys = await Promise.all(
      Array.from({ length: 20 }, async () => openKeptKey(folder, HOST)),
    );
    expect(new Set(keys.map(({ publicLine }) => publicLine)).size).toBe(1);
    expect(readdirSync(folder)).toEqual([HOST]);
  });

  it('knows when its certificate ends', async () => {
    const key = await openKeptKey(folder, HOST);
    await key.keep(certificate(key.publicLine));
    expect((await openKeptKey(folder, HOST)).expiresAt).toBe(1_800_000_300_000);
    expect(statSync(join(folder, `${HOST}-cert.pub`)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['for another key', () => certificate(newClientKey().publicLine)],
    ['that is cut off', () => certificate(newClientKey().publicLine).slice(0, 150)],
    ['that is none', () => 'words'],
    ['that is empty', () => ''],
  ])('takes a certificate %s for none', async (_what, line) => {
    const key = await openKeptKey(folder, HOST);
    await key.keep(line());
    expect((await openKeptKey(folder, HOST)).expiresAt).toBeUndefined();
  });

  it('says so when the file of the key holds something else', async () => {
    await openKeptKey(folder, HOST);
    writeFileSync(join(folder, HOST), 'words');
    await expect(openKeptKey(folder, HOST)).rejects.toMatchObject({ code: 'CLI_FAILED' });
  });
});

it('publicLineOf() finds the public half of a key', () => {
  const key = newClientKey();
  expect(publicLineOf(key.privateText)).toBe(key.publicLine);
});
