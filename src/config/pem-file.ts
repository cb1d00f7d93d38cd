/**
 * Certificates and keys that a configuration names: read once, so that a bad one is told before anything starts.
 *
 * Only file names are handed on. Who uses them reads them again, because certificates are renewed in place.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { messageOf } from '../core/error.ts';
import type { ConfigSource } from './config-source.ts';
import { readTextFile } from './read-text-file.ts';
import type { KeyPath } from './yaml-file.ts';

/** A certificate chain and its private key, PEM, absolute paths. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The absolute path of a file of authorities. Throws CONFIG_UNREADABLE, and CONFIG_TLS when it holds none. */
export async function checkCaFile(
  source: ConfigSource,
  path: KeyPath,
  name: string,
): Promise<string> {
  const { file } = await readCertificates(source, path, name);
  return file;
}

/** Checks a certificate and its key together. Throws CONFIG_UNREADABLE and CONFIG_TLS. */
export async function checkTlsFiles(
  source: ConfigSource,
  path: KeyPath,
  names: { readonly cert: string; readonly key: string },
): Promise<TlsFiles> {
  const certPath = [...path, 'cert'];
  const keyPath = [...path, 'key'];
  const { file: certFile, leaf } = await readCertificates(source, certPath, names.cert);
  const { file: keyFile, pem } = await readPem(source, keyPath, names.key);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    const isLocked = pem.includes('ENCRYPTED');
    const text = isLocked
      ? 'is protected by a passphrase; store the key without one, readable by this user only'
      : 'has no private key in PEM; name the file with "BEGIN PRIVATE KEY"';
    throw source.problem('CONFIG_TLS', keyPath, `file "${names.key}" ${text}`, { cause });
  }
  if (!leaf.checkPrivateKey(key)) {
    const text = `file "${names.key}" is not the key of the certificate in "${names.cert}"`;
    throw source.problem('CONFIG_TLS', keyPath, `${text}; put the server's certificate first`);
  }
  return { certFile, keyFile };
}

async function readCertificates(
  source: ConfigSource,
  path: KeyPath,
  name: string,
): Promise<{ file: string; leaf: X509Certificate }> {
  const { file, pem } = await readPem(source, path, name);
  try {
    const [leaf] = (pem.match(CERTIFICATE) ?? []).map((block) => new X509Certificate(block));
    if (leaf !== undefined) return { file, leaf };
  } catch (cause) {
    const text = `file "${name}" has a damaged certificate; make it again`;
    throw source.problem('CONFIG_TLS', path, text, { cause });
  }
  const text = `file "${name}" has no certificate in PEM; name the file with "BEGIN CERTIFICATE"`;
  throw source.problem('CONFIG_TLS', path, text);
}

async function readPem(
  source: ConfigSource,
  path: KeyPath,
  name: string,
): Promise<{ file: string; pem: string }> {
  const file = source.resolveFile(path, name);
  try {
    return { file, pem: await readTextFile(file) };
  } catch (cause) {
    const text = `file "${name}" ${messageOf(cause)}; correct the name or the file's permissions`;
    throw source.problem('CONFIG_UNREADABLE', path, text, { cause });
  }
}
