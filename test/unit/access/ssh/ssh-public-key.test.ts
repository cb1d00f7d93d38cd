/** Public keys, as ssh-keygen makes them and as an attacker would write them. */
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { parseSshPublicKey, sshFingerprint } from '../../../../src/access/ssh/ssh-public-key.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { sshString } from '../../../../src/core/ssh-wire.ts';
import { mustRun } from '../../../support/run.ts';
import { toolPath } from '../../../support/tools.ts';
import { makeKeyPair, type KeyPair } from './ssh-keys.ts';

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl';

/** A line for these fields. */
function line(type: string, ...fields: readonly (string | Uint8Array)[]): string {
  return `${type} ${Buffer.concat(fields.map((field) => sshString(field))).toString('base64')}`;
}

describe('parseSshPublicKey()', () => {
  it.each([
    ['ssh-ed25519', ['-t', 'ed25519']],
    ['ecdsa-sha2-nistp256', ['-t', 'ecdsa', '-b', '256']],
    ['ssh-rsa', ['-t', 'rsa', '-b', '2048']],
  ])('reads a key of type %s as ssh-keygen writes it', async (type, kind) => {
    const pair = await makeKeyPair(...kind);
    const key = parseSshPublicKey(pair.line);
    expect(key.type).toBe(type);
    const shown = await mustRun(toolPath('ssh-keygen'), ['-l', '-f', `${pair.file}.pub`]);
    expect(shown.stdout.split(' ')[1]).toBe(sshFingerprint(key.blob));
  });

  const point = Buffer.alloc(65, 4);
  it.each([
    ['nothing', ''],
    ['words', 'a public key'],
    ['options before the key', `command="id" ${ED25519}`],
    ['a second line', `${ED25519}\n${ED25519}`],
    ['a line break in the comment', `${ED25519} a\rb`],
    ['a type that it does not know', line('ssh-dss', 'ssh-dss', 'x')],
    ['a name that every object has', line('constructor', 'constructor')],
    ['a label that is not the type of the bytes', line('ssh-ed25519', 'ssh-rsa', 'x', 'y')],
    ['a key of 31 bytes', line('ssh-ed25519', 'ssh-ed25519', Buffer.alloc(31))],
    ['a key of 33 bytes', line('ssh-ed25519', 'ssh-ed25519', Buffer.alloc(33))],
    ['something after the key', line('ssh-ed25519', 'ssh-ed25519', Buffer.alloc(32), 'more')],
    ['a length beyond the end', 'ssh-ed25519 /////w=='],
    [
      'a point that is not on the curve',
      line('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp256', point),
    ],
    ['another curve', line('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp521', point)],
    [
      'a compressed point',
      line('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(33, 2)),
    ],
    ['an RSA exponent of 1', line('ssh-rsa', 'ssh-rsa', '\x01', Buffer.alloc(256, 0x7f))],
    ['a negative modulus', line('ssh-rsa', 'ssh-rsa', '\x03', Buffer.alloc(256, 0xff))],
    ['no modulus', line('ssh-rsa', 'ssh-rsa', '\x03', '')],
  ])('refuses %s', (_what, text) => {
    expect(() => parseSshPublicKey(text)).toThrow(
      expect.objectContaining({ code: 'ACCESS_SSH_KEY' }),
    );
  });

  it('refuses RSA of 1024 bits', async () => {
    const { line: small } = await makeKeyPair('-t', 'rsa', '-b', '1024');
    expect(() => parseSshPublicKey(small)).toThrow('fewer than 2048 bits');
  });

  it('refuses a line over the limit before it reads it', () => {
    const long = `${ED25519} ${'x'.repeat(LIMITS.sshPublicKeyChars)}`;
    expect(() => parseSshPublicKey(long)).toThrow(`longer than ${LIMITS.sshPublicKeyChars}`);
    expect(parseSshPublicKey(long.slice(0, LIMITS.sshPublicKeyChars)).type).toBe('ssh-ed25519');
  });

  it('survives every cut and every changed byte with a code', () => {
    const bytes = Buffer.from(ED25519.split(' ')[1] ?? '', 'base64');
    const texts = Array.from(bytes.keys(), (at) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      return [bytes.subarray(0, at), changed];
    }).flat();
    for (const text of texts) {
      try {
        parseSshPublicKey(`ssh-ed25519 ${text.toString('base64')}`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ACCESS_SSH_KEY' });
      }
    }
  });
});

describe('K15 a certificate in the place of a key', () => {
  let key: KeyPair;
  let certificate: string;

  beforeAll(async () => {
    key = await makeKeyPair('-t', 'ed25519');
    const authority = await makeKeyPair('-t', 'ed25519');
    const args = ['-q', '-s', authority.file, '-I', 'id', '-n', 'ann', `${key.file}.pub`];
    await mustRun(toolPath('ssh-keygen'), args);
    certificate = readFileSync(`${key.file}-cert.pub`, 'utf8');
  });

  it('K15 is refused', () => {
    expect(() => parseSshPublicKey(certificate)).toThrow('it is a certificate');
  });

  it('K15 is refused under the label of a key', () => {
    const disguised = certificate.replace(/^\S+/, 'ssh-ed25519');
    expect(() => parseSshPublicKey(disguised)).toThrow('its bytes are of another type');
  });
});
