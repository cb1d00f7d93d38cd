/**
 * Certificates for tests: an authority, what it or nobody signed, and what can be wrong with a certificate.
 *
 * Keys are P-256 and made anew in every run; everything is valid from two days ago to tomorrow.
 */
// oxlint-disable-next-line import/no-unassigned-import -- x509's container needs it loaded before itself
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralName,
  type X509Certificate,
} from '@peculiar/x509';

import { tempDir } from './temp-dir.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** PEM texts. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly isExpired?: boolean;
}

export class TestAuthority {
  readonly #certificate: X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async create(name = 'Test authority'): Promise<TestAuthority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: '01',
        name: `CN=${name}`,
        notBefore: new Date(Date.now() - DAY_MS),
        notAfter: new Date(Date.now() + DAY_MS),
        signingAlgorithm: ALGORITHM,
        keys,
        extensions: [new BasicConstraintsExtension(true, undefined, true)],
      },
      webcrypto,
    );
    return new TestAuthority(certificate, keys);
  }

  /** The authority's own certificate, PEM. */
  get pem(): string {
    return this.#certificate.toString('pem');
  }

  /** A file with it, in a directory that the clean-up removes. */
  writeFile(): string {
    const file = join(tempDir('ca'), 'ca.pem');
    writeFileSync(file, this.pem);
    return file;
  }

  async issue(options: LeafOptions): Promise<KeyPair> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create(
      {
        ...leaf(options),
        issuer: this.#certificate.subject,
        signingKey: this.#keys.privateKey,
        publicKey: keys.publicKey,
      },
      webcrypto,
    );
    return { cert: certificate.toString('pem'), key: await exportKey(keys) };
  }
}

/** A certificate that vouches for itself. */
export async function selfSigned(options: LeafOptions): Promise<KeyPair> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { ...leaf(options), name: 'CN=self-signed', keys },
    webcrypto,
  );
  return { cert: certificate.toString('pem'), key: await exportKey(keys) };
}

export interface TestCertificates {
  /** The authority's certificate, and a file with it. */
  readonly ca: string;
  readonly caFile: string;
  /** For localhost, 127.0.0.1, ::1 and *.postern.test, signed by the authority. */
  readonly good: KeyPair;
  /** Like `good`, but it ended yesterday. */
  readonly expired: KeyPair;
  /** For elsewhere.test, signed by the authority. */
  readonly otherName: KeyPair;
  /** For the names of `good`, signed by nobody else. */
  readonly selfSigned: KeyPair;
}

/** What a gateway could come with. */
export async function makeCertificates(): Promise<TestCertificates> {
  const authority = await TestAuthority.create();
  const names = { dns: ['localhost', '*.postern.test'], ip: ['127.0.0.1', '::1'] };
  return {
    ca: authority.pem,
    caFile: authority.writeFile(),
    good: await authority.issue(names),
    expired: await authority.issue({ ...names, isExpired: true }),
    otherName: await authority.issue({ dns: ['elsewhere.test'] }),
    selfSigned: await selfSigned(names),
  };
}

function leaf({ dns = [], ip = [], isExpired = false }: LeafOptions) {
  const names: JsonGeneralName[] = [
    ...dns.map((value) => ({ type: 'dns', value }) as const),
    ...ip.map((value) => ({ type: 'ip', value }) as const),
  ];
  return {
    serialNumber: '02',
    subject: 'CN=test origin',
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    notAfter: new Date(Date.now() + (isExpired ? -DAY_MS : DAY_MS)),
    signingAlgorithm: ALGORITHM,
    extensions: [new SubjectAlternativeNameExtension(names)],
  };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function exportKey(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const base64 = Buffer.from(der).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`;
}
