/**
 * A key pair for one client, in the forms in which ssh reads keys: a line, and OpenSSH's own private key format
 * (PROTOCOL.key), which is the only one that every version takes Ed25519 in.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { SshReader, sshString, sshUint32 } from '../../core/ssh-wire.ts';

export interface ClientKey {
  /** `ssh-ed25519 AAAA…`, without comment. */
  readonly publicLine: string;
  /** What a private key file holds. A secret. */
  readonly privateText: string;
}

const MAGIC = 'openssh-key-v1\0';
const TYPE = 'ssh-ed25519';
/** What the cipher, here none, is padded to. */
const BLOCK_BYTES = 8;
const LINE_CHARS = 70;

/** Makes a key that nobody has had before. */
export function newClientKey(): ClientKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const jwk = privateKey.export({ format: 'jwk' });
  const [seed, point] = [jwk.d ?? '', jwk.x ?? ''].map((part) => Buffer.from(part, 'base64url'));
  const publicKey = Buffer.concat([sshString(TYPE), sshString(point ?? '')]);
  // The same number twice shows whoever has to decrypt that it went well.
  const check = randomBytes(4);
  const secret = [
    check,
    check,
    publicKey,
    sshString(Buffer.concat([seed ?? Buffer.alloc(0), point ?? Buffer.alloc(0)])),
    sshString(''), // the comment
  ];
  const blob = Buffer.concat([
    Buffer.from(MAGIC),
    sshString('none'), // cipher
    sshString('none'), // key derivation
    sshString(''), // its options
    sshUint32(1),
    sshString(publicKey),
    sshString(padded(Buffer.concat(secret))),
  ]);
  const lines = blob.toString('base64').replaceAll(new RegExp(`.{1,${LINE_CHARS}}`, 'g'), '$&\n');
  return {
    publicLine: `${TYPE} ${publicKey.toString('base64')}`,
    privateText: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`,
  };
}

/** The public line of a private key that was made here. Throws ACCESS_SSH_KEY for what is cut off. */
export function publicLineOf(privateText: string): string {
  const blob = Buffer.from(privateText.replaceAll(/-----.*-----|\s/g, ''), 'base64');
  const head = new SshReader(blob.subarray(MAGIC.length));
  for (let i = 0; i < 3; i += 1) head.string(); // cipher, key derivation, its options
  const publicKey = new SshReader(head.rest.subarray(4)).string();
  return `${TYPE} ${publicKey.toString('base64')}`;
}

/** Padding is 1, 2, 3… */
function padded(bytes: Buffer): Buffer {
  const missing = -bytes.length & (BLOCK_BYTES - 1);
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, i) => i + 1))]);
}
