/**
 * The gateway's own certificate authority, for where `tls:` is left out of the config.
 *
 * Owns four files in the data directory: `ca.pem` (what clients trust), `ca-key.pem`, and the server's `cert.pem` and
 * `key.pem`, which are made again before they expire and when the domain changes. Invariant: a CA that may have been handed
 * out is never replaced before it expires; where its key is lost, that is an error and not a new CA.
 * Several processes may call this at once. docs/decisions/0005.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PosternError, messageOf } from '../../core/error.ts';
import { createFileAtomic, writeFileAtomic } from '../../core/write-file-atomic.ts';
import type { ServerCertificate } from './load-certificate.ts';
import {
  type KeyedCertificate,
  type SubjectName,
  createCaCertificate,
  createKey,
  createServerCertificate,
} from './make-certificate.ts';
import { readPem, readPemIfThere } from './read-pem.ts';

/** A server certificate with less than this left is replaced, ms. Ask at least this often. */
const RENEW_MS = 30 * 86_400_000;

export interface PrivateCaOptions {
  /** Absolute. Created, for the owner alone, when it is not there. */
  readonly dataDir: string;
  /** The certificate is for this, everything one level below it, and loopback. */
  readonly domain: string;
  /** Wall-clock time, ms since 1970. */
  readonly now: number;
}

export interface PrivateServerCertificate extends ServerCertificate {
  /** The CA certificate that clients must trust. */
  readonly caFile: string;
  /** What was not there, or no longer good, and was made: for the log. */
  readonly made: readonly ('ca' | 'certificate')[];
}

/**
 * The certificate to serve, made or renewed when needed. Call it at start and once a day. Throws CONFIG_TLS when the CA
 * in the data directory cannot be used or a file cannot be written, CONFIG_UNREADABLE when one cannot be read.
 */
export async function ensureServerCertificate(
  options: PrivateCaOptions,
): Promise<PrivateServerCertificate> {
  const { dataDir, now } = options;
  const caFile = join(dataDir, 'ca.pem');
  const files = { certFile: join(dataDir, 'cert.pem'), keyFile: join(dataDir, 'key.pem') };
  const names = namesOf(options.domain);
  await writing(dataDir, () => mkdir(dataDir, { recursive: true, mode: 0o700 }));
  const ca = await ensureCa(caFile, join(dataDir, 'ca-key.pem'), now);
  const stored = await readStored(files);
  if (stored !== undefined && isGood(stored, ca, names, now)) {
    return { ...stored, expiresAt: expiryOf(stored), caFile, made: ca.isNew ? ['ca'] : [] };
  }
  const fresh = await createServerCertificate(ca, names, now);
  // A crash between the two leaves a pair that does not match, which the next call replaces.
  await writing(files.keyFile, () => writeFileAtomic(files.keyFile, fresh.key, 0o600));
  await writing(files.certFile, () => writeFileAtomic(files.certFile, fresh.cert, 0o644));
  const made = ca.isNew ? (['ca', 'certificate'] as const) : (['certificate'] as const);
  return { ...fresh, expiresAt: expiryOf(fresh), caFile, made };
}

function namesOf(domain: string): SubjectName[] {
  const dnsNames = new Set([domain, `*.${domain}`, 'localhost']);
  return [
    ...[...dnsNames].map((value) => ({ type: 'dns', value }) as const),
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
}

/** Reads the CA, or makes one. The key comes first: a key without a certificate was never handed out. */
async function ensureCa(
  certFile: string,
  keyFile: string,
  now: number,
): Promise<KeyedCertificate & { readonly isNew: boolean }> {
  let cert = await readPemIfThere(certFile, 'CA certificate');
  const isExpired = cert !== undefined && Date.parse(parseCa(cert, certFile).validTo) <= now;
  if (cert === undefined) {
    const newKey = createKey();
    // The first of several processes decides; the others read its key.
    await writing(keyFile, () => createFileAtomic(keyFile, newKey, 0o600));
  }
  const key = await readCaKey(keyFile, certFile);
  const isNew = cert === undefined || isExpired;
  if (isExpired) {
    const renewed = await createCaCertificate(key, now);
    await writing(certFile, () => writeFileAtomic(certFile, renewed, 0o644));
    cert = renewed;
  } else if (cert === undefined) {
    const created = await createCaCertificate(key, now);
    await writing(certFile, () => createFileAtomic(certFile, created, 0o644));
    cert = await readPem(certFile, 'CA certificate');
  }
  if (!parseCa(cert, certFile).checkPrivateKey(createPrivateKey(key))) {
    throw brokenCa(`"${keyFile}" is not the key of "${certFile}"`);
  }
  return { cert, key, isNew };
}

function parseCa(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw brokenCa(`"${file}" is not a certificate`, cause);
  }
}

async function readCaKey(keyFile: string, certFile: string): Promise<string> {
  const key = await readPemIfThere(keyFile, 'CA key');
  if (key === undefined) throw brokenCa(`"${certFile}" is there but its key "${keyFile}" is not`);
  try {
    createPrivateKey(key);
  } catch (cause) {
    throw brokenCa(`"${keyFile}" is not a private key`, cause);
  }
  return key;
}

function brokenCa(why: string, cause?: unknown): PosternError {
  return new PosternError(
    'CONFIG_TLS',
    `Cannot use the private CA: ${why}; restore both files, or remove both to start a new CA that clients must trust anew`,
    { cause },
  );
}

/** The stored pair, undefined where it is not there or does not parse: unlike a CA it can simply be made again. */
async function readStored(files: {
  readonly certFile: string;
  readonly keyFile: string;
}): Promise<KeyedCertificate | undefined> {
  const cert = await readPemIfThere(files.certFile, 'certificate');
  const key = await readPemIfThere(files.keyFile, 'private key');
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

function isGood(
  stored: KeyedCertificate,
  ca: KeyedCertificate,
  names: readonly SubjectName[],
  now: number,
): boolean {
  try {
    const cert = new X509Certificate(stored.cert);
    const issuer = new X509Certificate(ca.cert);
    return (
      cert.checkPrivateKey(createPrivateKey(stored.key)) &&
      cert.checkIssued(issuer) &&
      cert.verify(issuer.publicKey) &&
      cert.subjectAltName === names.map(sanText).join(', ') &&
      Date.parse(cert.validFrom) <= now &&
      Date.parse(cert.validTo) - now > RENEW_MS
    );
  } catch {
    return false; // it does not parse
  }
}

/** A name as Node writes it in `subjectAltName`. */
function sanText({ type, value }: SubjectName): string {
  if (type === 'dns') return `DNS:${value}`;
  return `IP Address:${value === '::1' ? '0:0:0:0:0:0:0:1' : value}`;
}

function expiryOf({ cert }: KeyedCertificate): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

async function writing<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new PosternError('CONFIG_TLS', `Cannot write "${file}": ${messageOf(cause)}`, { cause });
  }
}
