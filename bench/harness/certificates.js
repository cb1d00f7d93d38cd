import { mkdir, writeFile } from 'node:fs/promises';
import { needTool } from './find-tool.js';

const NAMES =
  'subjectAltName=DNS:localhost,DNS:bench.test,DNS:*.bench.test,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n';

/**
 * A private CA and a P-256 server certificate for localhost and *.bench.test in a folder of the lab, as paths: `{ ca, cert, key }`.
 * Every peer that ends TLS uses the same kind of key, so that no handshake is cheaper than another.
 */
export async function makeCertificates(lab, folder) {
  const openssl = await needTool('openssl');
  await mkdir(lab.path(folder), { recursive: true });
  const file = (name) => lab.path(folder, name);
  const [ca, caKey] = [file('ca.pem'), file('ca.key')];
  const [cert, key, request] = [file('cert.pem'), file('key.pem'), file('cert.csr')];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const run = (...args) => lab.run('openssl', openssl, args);
  await run(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    caKey,
    '-out',
    ca,
    '-days',
    '2',
    '-subj',
    '/CN=bench CA',
  );
  await run('req', ...newKey, '-keyout', key, '-out', request, '-subj', '/CN=bench.test');
  await writeFile(file('names.cnf'), NAMES);
  await run('x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-CAcreateserial',
    '-days', '2', '-extfile', file('names.cnf'), '-out', cert); // prettier-ignore
  return { ca, cert, key };
}
