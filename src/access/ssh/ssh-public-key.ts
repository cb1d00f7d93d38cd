/**
 * Public keys as people have them in `id_ed25519.pub`: `ssh-ed25519 AAAA… comment` (RFC 4253 §6.6).
 *
 * What is certified was checked first: the label and the bytes name the same type, the key is a valid point or a modulus
 * of useful size, and nothing follows it. A certificate is not a key (attack case K15): who may have one signed again
 * could make it outlive its policy.
 */
import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { sshString, SshReader } from '../../core/ssh-wire.ts';

export interface SshPublicKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256` or `ssh-rsa`. */
  readonly type: string;
  /** The key as SSH sends it, from its type on. */
  readonly blob: Buffer;
}

/** Smallest RSA modulus, bits: what OpenSSH itself asks of a server today. */
const LEAST_RSA_BITS = 2048;

type Check = (reader: SshReader) => JsonWebKey;

const CHECKS: Readonly<Record<string, Check>> = {
  'ssh-ed25519': (reader) => ({ kty: 'OKP', crv: 'Ed25519', x: base64url(reader.string()) }),
  'ecdsa-sha2-nistp256': ecdsa,
  'ssh-rsa': rsa,
};

/**
 * Reads one line of a public key file. Throws ACCESS_SSH_KEY for everything but a plain key of a type that we certify.
 * The comment is not kept.
 */
export function parseSshPublicKey(line: string): SshPublicKey {
  if (line.length > LIMITS.sshPublicKeyChars) {
    throw bad(`it is longer than ${LIMITS.sshPublicKeyChars} characters`);
  }
  const [, type = '', base64 = ''] =
    /^([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\r\n\0]*)?\n?$/.exec(line) ?? [];
  if (type === '') throw bad('it is not a line such as "ssh-ed25519 AAAA…"');
  if (type.includes('-cert-')) throw bad('it is a certificate; send the key alone');
  const check = Object.hasOwn(CHECKS, type) ? CHECKS[type] : undefined;
  if (check === undefined) {
    throw bad(`its type is not one of ${Object.keys(CHECKS).join(', ')}`);
  }
  const blob = Buffer.from(base64, 'base64');
  const reader = new SshReader(blob);
  // A certificate under the label of a key would otherwise reach the signature.
  if (reader.string().toString('latin1') !== type) throw bad('its bytes are of another type');
  const jwk = check(reader);
  if (reader.rest.length > 0) throw bad('something follows the key');
  checkKey(jwk);
  return { type, blob };
}

/** The fingerprint that `ssh-keygen -l` shows: `SHA256:…`. */
export function sshFingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The bytes of an Ed25519 key, given as its 32 bytes. */
export function ed25519Blob(publicKey: Uint8Array): Buffer {
  return Buffer.concat([sshString('ssh-ed25519'), sshString(publicKey)]);
}

function ecdsa(reader: SshReader): JsonWebKey {
  const curve = reader.string().toString('latin1');
  const point = reader.string();
  if (curve !== 'nistp256' || point.length !== 65 || point[0] !== 4) {
    throw bad('it is not an uncompressed point of nistp256');
  }
  const [x, y] = [base64url(point.subarray(1, 33)), base64url(point.subarray(33))];
  return { kty: 'EC', crv: 'P-256', x, y };
}

function rsa(reader: SshReader): JsonWebKey {
  const [e, n] = [reader.string(), reader.string()];
  return { kty: 'RSA', e: base64url(positive(e)), n: base64url(positive(n)) };
}

/** A multiple precision integer without its sign byte (RFC 4251 §5); a negative or padded one is none. */
function positive(bytes: Buffer): Buffer {
  const [first = 0x80, second = 0] = bytes;
  if (first > 0x7f || (first === 0 && second < 0x80)) throw bad('it has a malformed number');
  return first === 0 ? bytes.subarray(1) : bytes;
}

function checkKey(jwk: JsonWebKey): void {
  try {
    const { modulusLength, publicExponent } =
      createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails ?? {};
    if (modulusLength === undefined) return;
    if (modulusLength < LEAST_RSA_BITS) throw bad(`it has fewer than ${LEAST_RSA_BITS} bits`);
    // 1 and even numbers make keys that sign nothing.
    if ((publicExponent ?? 1n) < 3n || (publicExponent ?? 0n) % 2n === 0n) {
      throw bad('its exponent is not one');
    }
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw bad('it is not a valid key', cause);
  }
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

function bad(why: string, cause?: unknown): PosternError {
  return new PosternError('ACCESS_SSH_KEY', `Cannot certify the SSH key: ${why}`, { cause });
}
