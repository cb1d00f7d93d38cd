/** Certificates at a real sshd that trusts the authority: what lets in, and what an attacker would try. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { parseSshPublicKey } from '../../src/access/ssh/ssh-public-key.ts';
import {
  authorityBlob,
  signUserCertificate,
  type UserCertificate,
} from '../../src/access/ssh/user-certificate.ts';
import { newClientKey } from '../../src/client/ssh/client-key.ts';
import { sshString } from '../../src/core/ssh-wire.ts';
import { startSshd, type Sshd } from '../support/real/sshd.ts';
import { run, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';

const AUTHORITY = generateKeyPairSync('ed25519').privateKey;
const KEY = newClientKey();
const HOST = 'ssh.postern.test';

let sshd: Sshd;
/** Lets in only who has a certificate for this host: docs/access.md "SSH". */
let strictSshd: Sshd;

beforeAll(async () => {
  const dir = tempDir('ssh-ca');
  const authorities = join(dir, 'authorities');
  writeFileSync(authorities, `ssh-ed25519 ${authorityBlob(AUTHORITY).toString('base64')}\n`);
  sshd = await startSshd({ config: [`TrustedUserCAKeys ${authorities}`] });
  const names = join(dir, 'principals');
  writeFileSync(names, `${sshd.user}@${HOST}\n`);
  strictSshd = await startSshd({
    config: [`TrustedUserCAKeys ${authorities}`, `AuthorizedPrincipalsFile ${names}`],
  });
});

function certificate(own: Partial<UserCertificate> = {}, authority = AUTHORITY): string {
  const now = Math.floor(Date.now() / 1000);
  const wanted: UserCertificate = {
    key: parseSshPublicKey(KEY.publicLine),
    serial: 1n,
    keyId: 'test',
    principals: [sshd.user],
    validAfter: now - 30,
    validBefore: now + 60,
    criticalOptions: {},
    extensions: ['permit-pty'],
    ...own,
  };
  return signUserCertificate(wanted, authority);
}

/** Logs in with the key and this certificate. */
async function logIn(line: string, server = sshd): Promise<RunResult> {
  const key = join(tempDir('ssh-key'), 'key');
  writeFileSync(key, KEY.privateText);
  chmodSync(key, 0o600);
  writeFileSync(`${key}-cert.pub`, `${line}\n`);
  const options = server.clientOptions().map((word) => (word === server.keyFile ? key : word));
  return run(toolPath('ssh'), [...options, '127.0.0.1', 'echo in; exit 7']);
}

const IN = { code: 7, stdout: 'in\n' };
const REFUSED = { code: 255, stdout: '' };

/** The certificate with its bytes changed by `change`; its signature stays what it was. */
function changed(line: string, change: (bytes: Buffer) => Buffer): string {
  const [type = '', base64 = ''] = line.split(' ');
  return `${type} ${change(Buffer.from(base64, 'base64')).toString('base64')}`;
}

describe('sshd', () => {
  it('lets in who has a certificate for the user', async () => {
    expect(await logIn(certificate())).toMatchObject(IN);
  });

  it('lets in from an address that the certificate names', async () => {
    const criticalOptions = { 'source-address': '10.0.0.0/8,127.0.0.0/8' };
    expect(await logIn(certificate({ criticalOptions }))).toMatchObject(IN);
  });

  it.each<[string, () => Partial<UserCertificate>]>([
    ['for another user', () => ({ principals: ['nobody-here'] })],
    ['for "*"', () => ({ principals: ['*'] })],
    ['for a user of a longer name', () => ({ principals: [`${sshd.user}x`] })],
    ['for a user at this host only', () => ({ principals: [`${sshd.user}@${HOST}`] })],
    ['that has expired', () => ({ validBefore: Math.floor(Date.now() / 1000) - 1 })],
    ['that is not valid yet', () => ({ validAfter: Math.floor(Date.now() / 1000) + 30 })],
    ['from elsewhere', () => ({ criticalOptions: { 'source-address': '10.0.0.0/8' } })],
    ['with an option that nobody knows', () => ({ criticalOptions: { 'no-such': 'option' } })],
  ])('K16 refuses a certificate %s', async (_what, own) => {
    expect(await logIn(certificate(own()))).toMatchObject(REFUSED);
  });

  it('K16 refuses a certificate for another host where principals say the host', async () => {
    const { user } = sshd;
    const elsewhere = certificate({ principals: [user, `${user}@other.postern.test`] });
    expect(await logIn(elsewhere, strictSshd)).toMatchObject(REFUSED);
    const here = certificate({ principals: [user, `${user}@${HOST}`] });
    expect(await logIn(here, strictSshd)).toMatchObject(IN);
  });

  it('K16 refuses a certificate whose forced command was taken out', async () => {
    const criticalOptions = { 'force-command': 'echo forced' };
    const forced = certificate({ criticalOptions });
    expect(await logIn(forced)).toMatchObject({ code: 0, stdout: 'forced\n' });
    const option = sshString(
      Buffer.concat([sshString('force-command'), sshString(sshString('echo forced'))]),
    );
    const stripped = changed(forced, (bytes) => {
      const at = bytes.indexOf(option);
      return Buffer.concat([
        bytes.subarray(0, at),
        sshString(''),
        bytes.subarray(at + option.length),
      ]);
    });
    expect(stripped.length).toBeLessThan(forced.length);
    expect(await logIn(stripped)).toMatchObject(REFUSED);
  });

  it('K16 refuses a certificate that was made to last longer', async () => {
    const before = 1_000_000_000;
    const short = certificate({ validBefore: before });
    const longer = changed(short, (bytes) => {
      const at = bytes.indexOf(Buffer.from('000000003b9aca00', 'hex'));
      bytes.writeBigUInt64BE(BigInt(before) * 4n, at);
      return bytes;
    });
    expect(await logIn(longer)).toMatchObject(REFUSED);
  });

  it('refuses a certificate of an authority that it does not know', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(await logIn(certificate({}, privateKey))).toMatchObject(REFUSED);
  });

  it('K15 refuses a certificate whose authority is itself a certificate', async () => {
    // The authority certifies a second one, which puts that certificate where its key belongs.
    const { privateKey: second } = generateKeyPairSync('ed25519');
    const secondKey = parseSshPublicKey(`ssh-ed25519 ${authorityBlob(second).toString('base64')}`);
    const [, nested = ''] = certificate({ key: secondKey }).split(' ');
    const [type = '', base64 = ''] = certificate({}, second).split(' ');
    const bytes = Buffer.from(base64, 'base64');
    const ownKey = sshString(authorityBlob(second));
    const body = Buffer.concat([
      bytes.subarray(0, bytes.lastIndexOf(ownKey)),
      sshString(Buffer.from(nested, 'base64')),
    ]);
    const signature = Buffer.concat([
      sshString('ssh-ed25519'),
      sshString(sign(undefined, body, second)),
    ]);
    const whole = Buffer.concat([body, sshString(signature)]).toString('base64');
    expect(await logIn(`${type} ${whole}`)).toMatchObject(REFUSED);
  });
});
