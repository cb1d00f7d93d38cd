/**
 * Reads the certificate and private key that an operator configured, and refuses what would fail only later.
 *
 * Throws CONFIG_UNREADABLE and CONFIG_TLS with the name of the file. Does not judge dates or names: an expired certificate
 * is better served than no gateway, and whoever serves it can see `expiresAt`.
 */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { PosternError, messageOf } from '../../core/error.ts';
import { readPem } from './read-pem.ts';

/** What a TLS server presents. */
export interface ServerCertificate {
  /** The certificate, then the intermediates, PEM. */
  readonly cert: string;
  /** The private key, PEM. */
  readonly key: string;
  /** When the certificate expires, ms since 1970. */
  readonly expiresAt: number;
}

/** Whether both are the same certificate with the same key. */
export function isSameCertificate(
  one: Pick<ServerCertificate, 'cert' | 'key'>,
  other: Pick<ServerCertificate, 'cert' | 'key'> | undefined,
): boolean {
  return one.cert === other?.cert && one.key === other.key;
}

/** Reads and checks both files. Throws CONFIG_UNREADABLE or CONFIG_TLS. */
export async function loadCertificate(files: {
  readonly certFile: string;
  readonly keyFile: string;
}): Promise<ServerCertificate> {
  const { certFile, keyFile } = files;
  const cert = await readPem(certFile, 'certificate');
  const key = await readPem(keyFile, 'private key');
  const leaf = parseChain(cert, certFile);
  const privateKey = parseKey(key, keyFile);
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new PosternError(
      'CONFIG_TLS',
      `Cannot use the private key "${keyFile}": it does not belong to the first certificate in "${certFile}"; configure the pair that was issued together`,
    );
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    // What OpenSSL itself refuses, such as a 512-bit RSA key.
    throw unusable('certificate', certFile, messageOf(cause), cause);
  }
  return { cert, key, expiresAt: Date.parse(leaf.validTo) };
}

/** The first certificate, after making sure that every one parses. */
function parseChain(pem: string, file: string): X509Certificate {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const [leaf] = blocks.map((block) => new X509Certificate(block));
    if (leaf !== undefined) return leaf;
  } catch (cause) {
    throw unusable('certificate', file, `it cannot be parsed (${messageOf(cause)})`, cause);
  }
  throw unusable('certificate', file, 'there is no "BEGIN CERTIFICATE" in it; it must be PEM');
}

function parseKey(pem: string, file: string): KeyObject {
  if (/ENCRYPTED/.test(pem)) {
    throw unusable('private key', file, 'it is encrypted; decrypt it and protect the file instead');
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw unusable('private key', file, `it is not a PEM private key (${messageOf(cause)})`, cause);
  }
}

function unusable(what: string, file: string, why: string, cause?: unknown): PosternError {
  return new PosternError('CONFIG_TLS', `Cannot use the ${what} "${file}": ${why}`, { cause });
}
