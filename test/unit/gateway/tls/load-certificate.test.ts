/** Certificates as operators have them, made by OpenSSL. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { loadCertificate } from '../../../../src/gateway/tls/load-certificate.ts';
import { mustRun } from '../../../support/run.ts';
import { tempDir } from '../../../support/temp-dir.ts';

let dir: string;

/** A self-signed pair `NAME.pem`, `NAME.key`. */
async function openssl(name: string, ...options: string[]): Promise<void> {
  const subject = ['-nodes', '-subj', `/CN=${name}`, '-days', '2'];
  const out = ['-out', file(`${name}.pem`), '-keyout', file(`${name}.key`)];
  await mustRun('openssl', ['req', '-x509', ...subject, ...out, ...options]);
}

function file(name: string): string {
  return join(dir, name);
}

function load(cert: string, key: string): ReturnType<typeof loadCertificate> {
  return loadCertificate({ certFile: file(cert), keyFile: file(key) });
}

beforeAll(async () => {
  dir = tempDir('cert');
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await openssl('ec', ...ec);
  await openssl('rsa', '-newkey', 'rsa:2048');
  await openssl('weak', '-newkey', 'rsa:512');
});

describe('loadCertificate()', () => {
  it.each(['ec', 'rsa'])('loads a pair with an %s key', async (name) => {
    const loaded = await load(`${name}.pem`, `${name}.key`);
    expect(loaded.cert).toBe(readFileSync(file(`${name}.pem`), 'utf8'));
    expect(loaded.key).toBe(readFileSync(file(`${name}.key`), 'utf8'));
    expect(loaded.expiresAt).toBeGreaterThan(Date.now());
  });

  it('loads a chain, a key in the old EC form, and both from one file', async () => {
    writeFileSync(
      file('chain.pem'),
      ['ec', 'rsa'].map((n) => readFileSync(file(`${n}.pem`))).join(''),
    );
    await mustRun('openssl', ['ec', '-in', file('ec.key'), '-out', file('sec1.key')]);
    await mustRun('openssl', ['ecparam', '-name', 'prime256v1', '-out', file('parameters.pem')]);
    const withParameters = ['parameters.pem', 'sec1.key']
      .map((n) => readFileSync(file(n)))
      .join('');
    writeFileSync(file('sec1-with-parameters.key'), withParameters);
    writeFileSync(file('both.pem'), withParameters + String(readFileSync(file('ec.pem'))));
    await load('chain.pem', 'ec.key');
    await load('ec.pem', 'sec1.key');
    await load('ec.pem', 'sec1-with-parameters.key');
    await load('both.pem', 'both.pem');
  });

  it('refuses a key of another certificate, naming both files', async () => {
    await expect(load('ec.pem', 'rsa.key')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: `Cannot use the private key "${file('rsa.key')}": it does not belong to the first certificate in "${file('ec.pem')}"; configure the pair that was issued together`,
    });
  });

  it('refuses the key of an intermediate', async () => {
    writeFileSync(
      file('wrong-order.pem'),
      ['rsa', 'ec'].map((n) => readFileSync(file(`${n}.pem`))).join(''),
    );
    await expect(load('wrong-order.pem', 'ec.key')).rejects.toMatchObject({ code: 'CONFIG_TLS' });
  });

  it('refuses what OpenSSL thinks too weak', async () => {
    await expect(load('weak.pem', 'weak.key')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: expect.stringContaining(`"${file('weak.pem')}"`),
    });
  });

  it('refuses an encrypted key with what to do', async () => {
    const lock = ['pkcs8', '-topk8', '-passout', 'pass:secret'];
    await mustRun('openssl', [...lock, '-in', file('ec.key'), '-out', file('locked.key')]);
    await expect(load('ec.pem', 'locked.key')).rejects.toMatchObject({
      code: 'CONFIG_TLS',
      message: expect.stringContaining(`"${file('locked.key')}": it is encrypted; decrypt it`),
    });
  });

  it.each([
    ['empty', ''],
    ['text', 'hello\n'],
    ['DER', Buffer.from('308201', 'hex')],
    ['a broken block', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n'],
  ])('refuses a certificate or key file that holds %s, naming it', async (_, content) => {
    writeFileSync(file('bad.pem'), content);
    const naming = { code: 'CONFIG_TLS', message: expect.stringContaining(`"${file('bad.pem')}"`) };
    await expect(load('bad.pem', 'ec.key')).rejects.toMatchObject(naming);
    await expect(load('ec.pem', 'bad.pem')).rejects.toMatchObject(naming);
  });

  it('refuses a chain whose second certificate is broken', async () => {
    const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
    writeFileSync(file('bad-chain.pem'), readFileSync(file('ec.pem'), 'utf8') + broken);
    await expect(load('bad-chain.pem', 'ec.key')).rejects.toMatchObject({ code: 'CONFIG_TLS' });
  });

  it('names the file that cannot be read', async () => {
    await expect(load('none.pem', 'ec.key')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringMatching(/^Cannot read the certificate ".*none\.pem": ENOENT/),
    });
    await expect(load('ec.pem', 'none.key')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringMatching(/^Cannot read the private key ".*none\.key": ENOENT/),
    });
  });

  it('refuses a folder, an endless device and a file larger than a megabyte', async () => {
    writeFileSync(file('large.pem'), Buffer.alloc(2 ** 20 + 1, 'a'));
    for (const certFile of [dir, '/dev/zero', file('large.pem')]) {
      await expect(loadCertificate({ certFile, keyFile: file('ec.key') })).rejects.toMatchObject({
        code: 'CONFIG_UNREADABLE',
        message: expect.stringContaining(`"${certFile}"`),
      });
    }
  });

  it('shows no byte of a key in its errors', async () => {
    const key = readFileSync(file('ec.key'), 'utf8');
    writeFileSync(file('cut.key'), key.slice(0, 100));
    const error = await load('ec.pem', 'cut.key').catch(String);
    expect(error).not.toContain(key.slice(40, 60));
  });
});
