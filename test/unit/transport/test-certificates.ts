/** Certificates for TLS servers of tests: an authority of our own, and what can be wrong with a certificate. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { mustRun } from '../../support/run.ts';
import { tempDir } from '../../support/temp-dir.ts';

export interface KeyPair {
  readonly key: string;
  readonly cert: string;
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
  /** For localhost, signed by nobody else. */
  readonly selfSigned: KeyPair;
}

const GOOD_NAMES = 'DNS:localhost,IP:127.0.0.1,IP:::1,DNS:*.postern.test';
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes them with openssl, in a directory that the clean-up removes. */
export async function makeCertificates(): Promise<TestCertificates> {
  const dir = tempDir('tls');
  const at = (name: string): string => join(dir, name);
  const selfSign = async (name: string, extension: string): Promise<KeyPair> => {
    const out = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    const subject = ['-subj', `/CN=${name}`, '-addext', extension];
    await mustRun('openssl', ['req', '-x509', ...NEW_KEY, ...out, '-days', '2', ...subject]);
    return {
      key: readFileSync(at(`${name}.key`), 'utf8'),
      cert: readFileSync(at(`${name}.pem`), 'utf8'),
    };
  };
  const sign = async (name: string, names: string, days: number): Promise<KeyPair> => {
    const { key } = await selfSign(name, `subjectAltName=${names}`);
    const request = ['-in', at(`${name}.pem`), '-signkey', at(`${name}.key`), '-out', at('csr')];
    await mustRun('openssl', ['x509', '-x509toreq', '-copy_extensions', 'copy', ...request]);
    const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-copy_extensions', 'copy'];
    const out = ['-in', at('csr'), '-out', at(`${name}.pem`), '-days', String(days)];
    await mustRun('openssl', ['x509', '-req', ...authority, ...out]);
    return { key, cert: readFileSync(at(`${name}.pem`), 'utf8') };
  };
  const ca = await selfSign('ca', 'keyUsage=critical,keyCertSign');
  return {
    ca: ca.cert,
    caFile: at('ca.pem'),
    good: await sign('good', GOOD_NAMES, 2),
    expired: await sign('expired', GOOD_NAMES, -1),
    otherName: await sign('other', 'DNS:elsewhere.test', 2),
    selfSigned: await selfSign('self', `subjectAltName=${GOOD_NAMES}`),
  };
}
