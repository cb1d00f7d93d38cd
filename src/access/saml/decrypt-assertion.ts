/**
 * Opens an encrypted assertion, so that what is inside can be looked at before the library decrypts and verifies it.
 *
 * One shape: one EncryptedData, one EncryptedKey in its KeyInfo or beside it, RSA-OAEP around an AES key. RSA 1.5 and Triple-DES
 * are refused: both can be broken by asking often enough, and every IdP of today has better. XML Encryption 1.1.
 */
import { constants, createDecipheriv, privateDecrypt } from 'node:crypto';
import { PosternError, isPosternError } from '../../core/error.ts';
import { NS } from './saml-names.ts';
import { childOf, childrenOf, textOf, walk } from './xml-tree.ts';
import type { XmlElement } from './xml-tree.ts';

const OAEP = 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p';
const SHA1 = 'http://www.w3.org/2000/09/xmldsig#sha1';

interface DataCipher {
  readonly name: 'aes-128-cbc' | 'aes-256-cbc' | 'aes-128-gcm' | 'aes-256-gcm';
  readonly keyBytes: number;
  readonly ivBytes: number;
}

const DATA_CIPHERS: ReadonlyMap<string, DataCipher> = new Map([
  [
    'http://www.w3.org/2009/xmlenc11#aes128-gcm',
    { name: 'aes-128-gcm', keyBytes: 16, ivBytes: 12 },
  ],
  [
    'http://www.w3.org/2009/xmlenc11#aes256-gcm',
    { name: 'aes-256-gcm', keyBytes: 32, ivBytes: 12 },
  ],
  [
    'http://www.w3.org/2001/04/xmlenc#aes128-cbc',
    { name: 'aes-128-cbc', keyBytes: 16, ivBytes: 16 },
  ],
  [
    'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
    { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 },
  ],
]);

const TAG_BYTES = 16;

/** The algorithms we decrypt, the best first: what our metadata offers. */
export const DATA_ALGORITHMS: readonly string[] = [...DATA_CIPHERS.keys()];

/** The XML inside an EncryptedAssertion. Throws ACCESS_SAML_ENCRYPTION; it never says which step failed. */
export function decryptAssertion(encrypted: XmlElement, privateKey: string): string {
  const { cipher, wrappedKey, data } = readParts(encrypted);
  try {
    const key = privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      wrappedKey,
    );
    if (key.length !== cipher.keyBytes) throw refused('it cannot be decrypted');
    return new TextDecoder('utf-8', { fatal: true }).decode(decrypt(cipher, key, data));
  } catch (cause) {
    // One answer for a wrong key, a wrong tag and wrong padding: no oracle (Manger, Vaudenay).
    if (isPosternError(cause)) throw cause;
    throw new PosternError(
      'ACCESS_SAML_ENCRYPTION',
      'Cannot open the SAML assertion: it cannot be decrypted',
      { cause },
    );
  }
}

function readParts(encrypted: XmlElement): {
  readonly cipher: DataCipher;
  readonly wrappedKey: Buffer;
  readonly data: Buffer;
} {
  const all = [...walk(encrypted)].map(({ element }) => element);
  for (const name of ['EncryptedData', 'EncryptedKey'] as const) {
    if (all.filter((element) => element.name === name).length !== 1) {
      throw refused(`it has not one ${name}`);
    }
  }
  if (all.some(({ name }) => name === 'CipherReference' || name === 'Assertion')) {
    throw refused('it has more in it than it needs');
  }
  const data = childOf(encrypted, NS.encryption, 'EncryptedData');
  const info = data && childOf(data, NS.signature, 'KeyInfo');
  const key =
    (info && childOf(info, NS.encryption, 'EncryptedKey')) ??
    childOf(encrypted, NS.encryption, 'EncryptedKey');
  if (data === undefined || key === undefined) throw refused('its parts are not where they belong');
  const cipher = DATA_CIPHERS.get(algorithmOf(data));
  if (cipher === undefined) throw refused(`"${algorithmOf(data)}" is not allowed`);
  if (algorithmOf(key) !== OAEP) throw refused(`"${algorithmOf(key)}" is not allowed`);
  checkOaepDigest(key);
  return { cipher, wrappedKey: cipherValue(key), data: cipherValue(data) };
}

/** The digest of OAEP needs no resistance against collisions, and SHA-1 is the one that the library knows. */
function checkOaepDigest(key: XmlElement): void {
  const method = childOf(key, NS.encryption, 'EncryptionMethod');
  const digests = (method?.children ?? []).filter(({ name }) => name === 'DigestMethod');
  if (digests.every(({ attributes }) => attributes.get('Algorithm') === SHA1)) return;
  throw refused('its RSA-OAEP has another digest than SHA-1');
}

function algorithmOf(element: XmlElement): string {
  const method = childOf(element, NS.encryption, 'EncryptionMethod');
  return (method?.attributes.get('Algorithm') ?? '').slice(0, 100);
}

function cipherValue(element: XmlElement): Buffer {
  const data = childOf(element, NS.encryption, 'CipherData');
  const values = data === undefined ? [] : childrenOf(data, NS.encryption, 'CipherValue');
  return Buffer.from((values.length === 1 && textOf(values[0])) || '', 'base64');
}

function decrypt({ name, ivBytes }: DataCipher, key: Buffer, data: Buffer): Buffer {
  const iv = data.subarray(0, ivBytes);
  if (name === 'aes-128-gcm' || name === 'aes-256-gcm') {
    const decipher = createDecipheriv(name, key, iv, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(data.subarray(ivBytes, -TAG_BYTES)), decipher.final()]);
  }
  const decipher = createDecipheriv(name, key, iv);
  // XML encryption's padding has random bytes before its length; Node's own knows only PKCS #7.
  decipher.setAutoPadding(false);
  const padded = Buffer.concat([decipher.update(data.subarray(ivBytes)), decipher.final()]);
  const padding = padded.at(-1) ?? 0;
  if (padding < 1 || padding > 16) throw refused('it cannot be decrypted');
  return padded.subarray(0, -padding);
}

function refused(why: string): PosternError {
  return new PosternError('ACCESS_SAML_ENCRYPTION', `Cannot open the SAML assertion: ${why}`);
}
