/** Certificates as the real ssh-keygen reads them: it checks the signature before it prints one. */
import { generateKeyPairSync } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';

import { parseSshPublicKey, sshFingerprint } from '../../../../src/access/ssh/ssh-public-key.ts';
import {
  authorityBlob,
  signUserCertificate,
  type UserCertificate,
} from '../../../../src/access/ssh/user-certificate.ts';
import { describeCertificate, makeKeyPair } from './ssh-keys.ts';

const AUTHORITY = generateKeyPairSync('ed25519').privateKey;

async function certificate(
  own: Partial<UserCertificate> = {},
  kind: readonly string[] = ['-t', 'ed25519'],
): Promise<UserCertificate> {
  return {
    key: parseSshPublicKey((await makeKeyPair(...kind)).line),
    serial: 2n ** 64n - 2n,
    keyId: 'ann@example.com session 1 request 2',
    principals: ['ann', 'ann@ssh.example.com'],
    validAfter: 1_800_000_000,
    validBefore: 1_800_000_300,
    criticalOptions: {},
    extensions: [],
    ...own,
  };
}

describe('signUserCertificate()', () => {
  it.each([
    ['ED25519-CERT', ['-t', 'ed25519']],
    ['ECDSA-CERT', ['-t', 'ecdsa', '-b', '256']],
    ['RSA-CERT', ['-t', 'rsa', '-b', '2048']],
  ])('makes what ssh-keygen -L shows of a key of type %s', async (type, kind) => {
    const wanted = await certificate(
      {
        criticalOptions: { 'source-address': '10.0.0.0/8,::1/128', 'force-command': 'date' },
        extensions: ['permit-pty', 'permit-agent-forwarding'],
      },
      kind,
    );
    const shown = await describeCertificate(signUserCertificate(wanted, AUTHORITY));
    const lines = shown.split('\n').map((line) => line.trim());
    expect(lines).toEqual(
      expect.arrayContaining([
        `Public key: ${type} ${sshFingerprint(wanted.key.blob)}`,
        `Signing CA: ED25519 ${sshFingerprint(authorityBlob(AUTHORITY))} (using ssh-ed25519)`,
        'Key ID: "ann@example.com session 1 request 2"',
        'Serial: 18446744073709551614',
      ]),
    );
    expect(lines.slice(lines.indexOf('Principals:'))).toEqual([
      'Principals:',
      'ann',
      'ann@ssh.example.com',
      'Critical Options:',
      'force-command date',
      'source-address 10.0.0.0/8,::1/128',
      'Extensions:',
      'permit-agent-forwarding',
      'permit-pty',
      '',
    ]);
  });

  it('K16 makes none for nobody, which sshd would take for everybody', async () => {
    const wanted = await certificate({ principals: [] });
    expect(() => signUserCertificate(wanted, AUTHORITY)).toThrow(
      expect.objectContaining({ code: 'ACCESS_SSH_PRINCIPAL' }),
    );
  });

  it('gives each certificate a nonce of its own', async () => {
    const wanted = await certificate();
    const made = new Set([1, 2, 3].map(() => signUserCertificate(wanted, AUTHORITY)));
    expect(made.size).toBe(3);
  });
});
