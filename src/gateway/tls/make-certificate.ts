/**
 * Makes P-256 keys, the two kinds of certificate that a private CA needs, and SAML's, as PEM.
 *
 * The only file that knows `@peculiar/x509`, which is loaded when a certificate is really made: gateways with a
 * certificate of their own, and every start but a few, do without it. No files here. RFC 5280; docs/decisions/0005.
 */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  webcrypto,
} from 'node:crypto';
import type * as X509 from '@peculiar/x509';

const DAY_MS = 86_400_000;
/** How long a CA is valid, ms: nobody should have to hand out its certificate twice. */
const CA_MS = 3_650 * DAY_MS;
/** How long a server certificate is valid, ms. */
const SERVER_MS = 90 * DAY_MS;
/** Certificates begin this much in the past, ms: the clocks of clients are not all right. */
const SKEW_MS = 3_600_000;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** A certificate and its private key, PEM. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A name that a server certificate is for. */
export interface SubjectName {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}

/** A new P-256 private key, PKCS #8 PEM. */
export function createKey(): string {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey;
}

/** A self-signed CA certificate for `key`, valid for ten years from `now` (ms since 1970). It can sign servers only. */
export async function createCaCertificate(key: string, now: number): Promise<string> {
  const x509 = await loadX509();
  const keys = await importKeys(createPrivateKey(key));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: [{ CN: [caName(key)] }],
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + CA_MS),
      signingAlgorithm: SIGNING_ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}

/** A server certificate for exactly `names` with a new key, signed by `ca`, valid for 90 days from `now` (ms since 1970). */
export async function createServerCertificate(
  ca: KeyedCertificate,
  names: readonly SubjectName[],
  now: number,
): Promise<KeyedCertificate> {
  const x509 = await loadX509();
  const key = createKey();
  const issuer = new x509.X509Certificate(ca.cert);
  const issuerKeys = await importKeys(createPrivateKey(ca.key));
  const { publicKey } = await importKeys(createPrivateKey(key));
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: newSerial(),
      // The names are in the SAN; a domain may be longer than the 64 characters a common name can have.
      subject: [{ CN: ['Postern gateway'] }],
      issuer: issuer.subjectName,
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(Math.min(now + SERVER_MS, issuer.notAfter.getTime())),
      signingAlgorithm: SIGNING_ALGORITHM,
      publicKey,
      signingKey: issuerKeys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names.map((name) => ({ ...name }))),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { cert: `${certificate.toString('pem')}\n`, key };
}

/** A certificate for an RSA `key` that vouches for itself, valid for ten years from `now` (ms since 1970): SAML's, which is only compared. */
export async function createKeyCertificate(
  key: string,
  commonName: string,
  now: number,
): Promise<string> {
  const x509 = await loadX509();
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: [{ CN: [commonName] }],
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + CA_MS),
      signingAlgorithm: algorithm,
      keys: await importKeys(createPrivateKey(key), algorithm),
    },
    webcrypto,
  );
  return `${certificate.toString('pem')}\n`;
}

/** Follows from the key, so that a CA certificate made again for the same key is the same CA to those who trust it. */
function caName(key: string): string {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return `Postern private CA ${createHash('sha256').update(spki).digest('hex').slice(0, 8)}`;
}

/** 127 random bits in hex, positive and without leading zeros. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function importKeys(
  privateKey: KeyObject,
  algorithm: webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams = ALGORITHM,
): Promise<webcrypto.CryptoKeyPair> {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
  };
}

async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata'); // must come first: x509's container throws on import without it
  return import('@peculiar/x509');
}
