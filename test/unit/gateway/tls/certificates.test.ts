/** The certificate that a gateway serves, which its operator replaces. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Certificates } from '../../../../src/gateway/tls/certificates.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { TestAuthority, type KeyPair } from '../../../support/test-authority.ts';

let dataDir = '';
let files: { certFile: string; keyFile: string };
let served: string[];

beforeEach(() => {
  dataDir = tempDir('certificates');
  const dir = tempDir('issued');
  files = { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') };
  served = [];
});

async function issue(): Promise<KeyPair> {
  const pair = await (await TestAuthority.create()).issue({ dns: ['a.test'] });
  writeFileSync(files.certFile, pair.cert);
  writeFileSync(files.keyFile, pair.key);
  return pair;
}

function create(configured: typeof files | undefined): Certificates {
  const log = createLog({ component: 'test', level: 'silent' });
  const certificates = new Certificates({ dataDir, domain: 'a.test', files: configured, log });
  cleanup(() => certificates.stop());
  certificates.onRenewed(({ cert }) => void served.push(cert));
  return certificates;
}

describe('Certificates', () => {
  it('serves another certificate once it is applied, and not before', async () => {
    await issue();
    const certificates = create(files);
    await certificates.load();
    const { cert } = await issue();
    const prepared = await certificates.prepare(files);
    expect(prepared.isOther).toBe(true);
    expect(served).toEqual([]);
    prepared.apply();
    expect(served).toEqual([cert]);
  });

  it('leaves everything alone where the files say the same', async () => {
    await issue();
    const certificates = create(files);
    await certificates.load();
    const prepared = await certificates.prepare(files);
    expect(prepared.isOther).toBe(false);
    prepared.apply();
    expect(served).toEqual([]);
  });

  it('refuses a pair that does not belong together, and goes on with the one before', async () => {
    const { cert } = await issue();
    const certificates = create(files);
    await certificates.load();
    writeFileSync(files.keyFile, (await (await TestAuthority.create()).issue({})).key);
    await expect(certificates.prepare(files)).rejects.toMatchObject({ code: 'CONFIG_TLS' });
    await issue();
    writeFileSync(files.certFile, cert);
    await expect(certificates.prepare(files)).rejects.toMatchObject({ code: 'CONFIG_TLS' });
    expect(served).toEqual([]);
  });

  it('goes from a private certificate to a configured one, and back', async () => {
    const certificates = create(undefined);
    const own = await certificates.load();
    const { cert } = await issue();
    (await certificates.prepare(files)).apply();
    (await certificates.prepare(undefined)).apply();
    expect(served).toEqual([cert, own.cert]);
  });
});
