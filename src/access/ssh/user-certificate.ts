/**
 * OpenSSH user certificates: OpenSSH's PROTOCOL.certkeys, version 01, signed with Ed25519.
 *
 * Pure but for the nonce. What is written is exactly what was asked for: whoever asks has decided who it is for, for how
 * long and from where. Fields, in order: type, nonce, the key's own fields, serial, kind (1: user), key id, principals,
 * valid after, valid before, critical options, extensions, reserved, the authority's key, its signature.
 */
import { randomBytes, sign, type KeyObject } from 'node:crypto';
import { PosternError } from '../../core/error.ts';
import { sshString, sshUint32, sshUint64, SshReader } from '../../core/ssh-wire.ts';
import { ed25519Blob, type SshPublicKey } from './ssh-public-key.ts';

export interface UserCertificate {
  readonly key: SshPublicKey;
  /** 64 bits. */
  readonly serial: bigint;
  /** What sshd logs at a login. */
  readonly keyId: string;
  /** Never empty: to sshd that means everybody. */
  readonly principals: readonly string[];
  /** Seconds since 1970, both. */
  readonly validAfter: number;
  readonly validBefore: number;
  /** `source-address`, `force-command`: name to value. sshd refuses a certificate with one that it does not know. */
  readonly criticalOptions: Readonly<Record<string, string>>;
  /** `permit-pty` and so on. */
  readonly extensions: readonly string[];
}

const USER = 1;
const NONCE_BYTES = 32;

/** What one line of a certificate file holds. `authority` is an Ed25519 private key. Throws ACCESS_SSH_PRINCIPAL. */
export function signUserCertificate(certificate: UserCertificate, authority: KeyObject): string {
  const { key, serial, keyId, principals, criticalOptions, extensions } = certificate;
  if (principals.length === 0) {
    throw new PosternError('ACCESS_SSH_PRINCIPAL', 'Cannot make a certificate: it is for nobody');
  }
  const type = `${key.type}-cert-v01@openssh.com`;
  const keyFields = new SshReader(key.blob);
  keyFields.string(); // its type, which the certificate's own type replaces
  const body = Buffer.concat([
    sshString(type),
    sshString(randomBytes(NONCE_BYTES)),
    keyFields.rest,
    sshUint64(serial),
    sshUint32(USER),
    sshString(keyId),
    sshString(Buffer.concat(principals.map((principal) => sshString(principal)))),
    sshUint64(BigInt(certificate.validAfter)),
    sshUint64(BigInt(certificate.validBefore)),
    sshString(
      options(Object.entries(criticalOptions).map(([name, value]) => [name, sshString(value)])),
    ),
    sshString(options(extensions.map((name) => [name, Buffer.alloc(0)]))),
    sshString(''),
    sshString(authorityBlob(authority)),
  ]);
  const signature = Buffer.concat([
    sshString('ssh-ed25519'),
    sshString(sign(undefined, body, authority)),
  ]);
  return `${type} ${Buffer.concat([body, sshString(signature)]).toString('base64')}`;
}

/** The public half of an authority as SSH writes it. */
export function authorityBlob(authority: KeyObject): Buffer {
  const { x } = authority.export({ format: 'jwk' });
  return ed25519Blob(Buffer.from(x ?? '', 'base64url'));
}

/** Names must be in order, or sshd refuses the certificate. */
function options(entries: readonly (readonly [string, Buffer])[]): Buffer {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.concat(sorted.flatMap(([name, value]) => [sshString(name), sshString(value)]));
}
