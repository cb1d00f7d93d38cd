/** The private CA, judged by OpenSSL, by curl and by Node's own TLS client. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import {
  type PrivateServerCertificate,
  ensureServerCertificate,
} from '../../../../src/gateway/tls/private-ca.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { mustRun, run } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const DAY_MS = 86_400_000;
const NOW = Date.now();

function ensure(dataDir: string, domain: string, now = NOW): Promise<PrivateServerCertificate> {
  return ensureServerCertificate({ dataDir, domain, now });
}

/** What the certificate says it is for. */
function namesOf(cert: string): string | undefined {
  return new X509Certificate(cert).subjectAltName;
}

function read(dataDir: string, name: string): string {
  return readFileSync(join(dataDir, name), 'utf8');
}

/** An HTTPS server with this certificate on `host`; its port. */
async function serve(certificate: PrivateServerCertificate, host: string): Promise<number> {
  const server = createServer(certificate, (request, response) => {
    response.end(`hello ${request.headers.host}`);
  });
  server.listen(0, host);
  await once(server, 'listening');
  cleanup(() => server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** The certificate as OpenSSL prints it, on one line. */
async function opensslText(file: string): Promise<string> {
  const { stdout } = await mustRun('openssl', ['x509', '-in', file, '-noout', '-text']);
  return stdout.replaceAll(/\s+/g, ' ');
}

describe('ensureServerCertificate()', () => {
  it('makes a CA and a certificate that OpenSSL verifies strictly', async () => {
    const dataDir = join(tempDir('ca'), 'data');
    const made = await ensure(dataDir, 'postern.test');
    expect(made.made).toEqual(['ca', 'certificate']);
    expect(made.caFile).toBe(join(dataDir, 'ca.pem'));
    expect(read(dataDir, 'cert.pem')).toBe(made.cert);
    expect(read(dataDir, 'key.pem')).toBe(made.key);
    const verify = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', made.caFile];
    const { stdout } = await mustRun('openssl', [...verify, join(dataDir, 'cert.pem')]);
    expect(stdout).toContain('cert.pem: OK');
  });

  it('writes into them exactly what is needed', async () => {
    const dataDir = tempDir('ca');
    const { caFile } = await ensure(dataDir, 'postern.test');
    const ca = await opensslText(caFile);
    expect(ca).toContain('Basic Constraints: critical CA:TRUE, pathlen:0');
    expect(ca).toContain('Key Usage: critical Certificate Sign, CRL Sign');
    expect(ca).toContain('ASN1 OID: prime256v1');
    expect(ca).toMatch(/Issuer: CN = (Postern private CA [0-9a-f]{8}) .*Subject: CN = \1 /);
    const server = await opensslText(join(dataDir, 'cert.pem'));
    expect(server).toContain('Basic Constraints: critical CA:FALSE');
    expect(server).toContain('Key Usage: critical Digital Signature');
    expect(server).toContain('Extended Key Usage: TLS Web Server Authentication');
    expect(server).toContain(
      'Subject Alternative Name: DNS:postern.test, DNS:*.postern.test, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1 ',
    );
    expect(server).toContain('ASN1 OID: prime256v1');
  });

  it('keeps keys for the owner alone, and leaves no temporary file', async () => {
    const dataDir = join(tempDir('ca'), 'a', 'data');
    await ensure(dataDir, 'postern.test');
    const mode = (name: string) => (statSync(join(dataDir, name)).mode & 0o777).toString(8);
    expect(readdirSync(dataDir).toSorted()).toEqual([
      'ca-key.pem',
      'ca.pem',
      'cert.pem',
      'key.pem',
    ]);
    expect(['ca-key.pem', 'key.pem', 'ca.pem', '.'].map(mode)).toEqual([
      '600',
      '600',
      '644',
      '700',
    ]);
  });

  it('is valid for ten years and 90 days, from a little before now', async () => {
    const dataDir = tempDir('ca');
    const { cert, expiresAt } = await ensure(dataDir, 'postern.test');
    const days = (pem: string) => (Date.parse(new X509Certificate(pem).validTo) - NOW) / DAY_MS;
    expect(days(cert)).toBeCloseTo(90, 3);
    expect(expiresAt).toBe(Date.parse(new X509Certificate(cert).validTo));
    expect(days(read(dataDir, 'ca.pem'))).toBeCloseTo(3_650, 3);
    expect(Date.parse(new X509Certificate(cert).validFrom)).toBeLessThan(NOW);
  });

  describe.each(['postern.test', 'postern.localhost'])('for %s', (domain) => {
    it('is trusted by curl for every name it has, and for no other', async () => {
      const certificate = await ensure(tempDir('ca'), domain);
      const port = await serve(certificate, '127.0.0.1');
      const port6 = await serve(certificate, '::1');
      const curl = (host: string, at = port) => {
        const args = ['-sS', '--noproxy', '*', '--cacert', certificate.caFile];
        if (/[a-z]/.test(host)) args.push('--resolve', `${host}:${at}:127.0.0.1`);
        return run('curl', [...args, `https://${host}:${at}/`]);
      };
      for (const host of ['localhost', '127.0.0.1', domain, `wiki.${domain}`]) {
        expect((await curl(host)).stdout).toBe(`hello ${host}:${port}`);
      }
      expect((await curl('[::1]', port6)).stdout).toBe(`hello [::1]:${port6}`);
      // 60: the certificate is not trusted for this name
      for (const host of [`a.b.${domain}`, 'example.org', 'localhost.example.org']) {
        expect((await curl(host)).code).toBe(60);
      }
    });

    it('is trusted by Node for every name it has, over TLS 1.2 and 1.3', async () => {
      const certificate = await ensure(tempDir('ca'), domain);
      const port = await serve(certificate, '127.0.0.1');
      const ca = readFileSync(certificate.caFile);
      for (const servername of ['localhost', domain, `wiki.${domain}`]) {
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          const socket = connect({ port, host: '127.0.0.1', servername, ca, maxVersion });
          await once(socket, 'secureConnect');
          expect([socket.authorized, socket.getProtocol()]).toEqual([true, maxVersion]);
          socket.destroy();
        }
      }
      const stranger = connect({ port, host: '127.0.0.1', servername: 'example.org', ca });
      const [error] = await once(stranger, 'error').catch((err: unknown) => [err]);
      expect(error).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    });
  });

  it('makes nothing when all is well', async () => {
    const dataDir = tempDir('ca');
    const first = await ensure(dataDir, 'postern.test');
    const second = await ensure(dataDir, 'postern.test', NOW + 59 * DAY_MS);
    expect(second).toEqual({ ...first, made: [] });
  });

  it('renews the certificate when less than 30 days are left, and keeps the CA', async () => {
    const dataDir = tempDir('ca');
    const first = await ensure(dataDir, 'postern.test');
    const ca = read(dataDir, 'ca.pem');
    const second = await ensure(dataDir, 'postern.test', NOW + 61 * DAY_MS);
    expect(second.made).toEqual(['certificate']);
    expect(second.cert).not.toBe(first.cert);
    expect(second.key).not.toBe(first.key);
    expect(second.expiresAt - first.expiresAt).toBe(61 * DAY_MS);
    expect(read(dataDir, 'ca.pem')).toBe(ca);
  });

  it('makes another certificate when the domain changes, and keeps the CA', async () => {
    const dataDir = tempDir('ca');
    await ensure(dataDir, 'one.test');
    const ca = read(dataDir, 'ca.pem');
    const second = await ensure(dataDir, 'two.test');
    expect(second.made).toEqual(['certificate']);
    expect(namesOf(second.cert)).toContain('DNS:two.test, DNS:*.two.test');
    expect(namesOf(second.cert)).not.toContain('one.test');
    expect(read(dataDir, 'ca.pem')).toBe(ca);
  });

  it('takes a domain that is itself localhost, and one of 253 characters', async () => {
    const { cert } = await ensure(tempDir('ca'), 'localhost');
    expect(namesOf(cert)).toMatch(/^DNS:localhost, DNS:\*\.localhost, IP/);
    const long = `${`${'a'.repeat(62)}.`.repeat(4).slice(0, -2)}.b`.slice(0, 251);
    const second = await ensure(tempDir('ca'), long);
    expect(namesOf(second.cert)).toContain(`DNS:*.${long}`);
  });

  it.each([
    ['is missing', 'cert.pem', undefined],
    ['is missing', 'key.pem', undefined],
    ['is garbage', 'cert.pem', 'x'],
    ['is garbage', 'key.pem', ''],
  ])('makes the pair again when its half %s (%s)', async (_, name, content) => {
    const dataDir = tempDir('ca');
    const first = await ensure(dataDir, 'postern.test');
    if (content === undefined) rmSync(join(dataDir, name));
    else writeFileSync(join(dataDir, name), content);
    const second = await ensure(dataDir, 'postern.test');
    expect(second.made).toEqual(['certificate']);
    expect(second.cert).not.toBe(first.cert);
    expect((await ensure(dataDir, 'postern.test')).made).toEqual([]);
  });

  it('makes the pair again when the two halves, or the CA and they, do not belong together', async () => {
    const [one, two] = [tempDir('ca'), tempDir('ca')];
    await ensure(one, 'postern.test');
    await ensure(two, 'postern.test');
    writeFileSync(join(one, 'key.pem'), read(two, 'key.pem'));
    expect((await ensure(one, 'postern.test')).made).toEqual(['certificate']);
    for (const name of ['cert.pem', 'key.pem']) writeFileSync(join(one, name), read(two, name));
    expect((await ensure(one, 'postern.test')).made).toEqual(['certificate']);
  });

  it('makes a lost CA certificate again for the same key, which old clients still trust', async () => {
    const dataDir = tempDir('ca');
    await ensure(dataDir, 'postern.test');
    const oldCa = join(tempDir('ca'), 'old-ca.pem');
    writeFileSync(oldCa, read(dataDir, 'ca.pem'));
    rmSync(join(dataDir, 'ca.pem'));
    const again = await ensure(dataDir, 'two.test');
    expect(again.made).toEqual(['ca', 'certificate']);
    await mustRun('openssl', ['verify', '-CAfile', oldCa, join(dataDir, 'cert.pem')]);
  });

  it('makes an expired CA again, and no certificate that outlives its CA', async () => {
    const dataDir = tempDir('ca');
    await ensure(dataDir, 'postern.test');
    const caExpiresAt = Date.parse(new X509Certificate(read(dataDir, 'ca.pem')).validTo);
    const late = await ensure(dataDir, 'postern.test', caExpiresAt - DAY_MS);
    expect(late.expiresAt).toBe(caExpiresAt);
    const later = await ensure(dataDir, 'postern.test', caExpiresAt + DAY_MS);
    expect(later.made).toEqual(['ca', 'certificate']);
    expect(later.expiresAt).toBeGreaterThan(caExpiresAt + 89 * DAY_MS);
  });

  it.each([
    ['ca-key.pem', undefined, 'its key "$dir/ca-key.pem" is not'],
    ['ca-key.pem', 'x', '"$dir/ca-key.pem" is not a private key'],
    ['ca.pem', 'x', '"$dir/ca.pem" is not a certificate'],
  ])('refuses a CA whose %s is %p rather than replace it', async (name, content, why) => {
    const dataDir = tempDir('ca');
    await ensure(dataDir, 'postern.test');
    if (content === undefined) rmSync(join(dataDir, name));
    else writeFileSync(join(dataDir, name), content);
    await expect(ensure(dataDir, 'postern.test')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: expect.stringContaining(why.replace('$dir', dataDir)),
    });
  });

  it('refuses a CA whose key is another one', async () => {
    const [one, two] = [tempDir('ca'), tempDir('ca')];
    await ensure(one, 'postern.test');
    await ensure(two, 'postern.test');
    writeFileSync(join(one, 'ca-key.pem'), read(two, 'ca-key.pem'));
    await expect(ensure(one, 'postern.test')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: expect.stringContaining('is not the key of'),
    });
  });

  it('names the folder that it cannot make', async () => {
    const file = join(tempDir('ca'), 'file');
    writeFileSync(file, '');
    await expect(ensure(join(file, 'data'), 'postern.test')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: expect.stringContaining(`Cannot write "${join(file, 'data')}": ENOTDIR`),
    });
    expect(existsSync(join(file, 'data'))).toBe(false);
  });

  it('ends with one CA when many start at once', async () => {
    const dataDir = tempDir('ca');
    const all = await Promise.all(Array.from({ length: 8 }, () => ensure(dataDir, 'postern.test')));
    const ca = new X509Certificate(read(dataDir, 'ca.pem'));
    for (const { cert } of all) expect(new X509Certificate(cert).verify(ca.publicKey)).toBe(true);
    await ensure(dataDir, 'postern.test'); // mends a pair of two writers
    expect((await ensure(dataDir, 'postern.test')).made).toEqual([]);
  });
});
