import { once } from 'node:events';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, rootCertificates, type SecureContext } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { TrustStore } from '../../../../src/connector/origin/trust-store.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { TestAuthority } from '../../../support/test-authority.ts';
import { listen } from './deaf-server.ts';

async function isTrusted(secureContext: SecureContext, authority: TestAuthority): Promise<boolean> {
  const server = createServer(await authority.issue({ dns: ['app.internal'] }), (peer) => {
    peer.on('error', () => undefined);
  });
  const port = await listen(server);
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'app.internal',
    secureContext,
    rejectUnauthorized: false,
  });
  cleanup(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket.authorized;
}

describe('TrustStore', () => {
  it('trusts the authorities of the file', async () => {
    const authority = await TestAuthority.create();
    const file = join(tempDir('trust'), 'ca.pem');
    writeFileSync(file, authority.pem);
    const context = await new TrustStore().contextFor(file);
    await expect(isTrusted(context, authority)).resolves.toBe(true);
    await expect(isTrusted(context, await TestAuthority.create('Stranger'))).resolves.toBe(false);
  });

  it('takes several authorities from one file', async () => {
    const [one, two] = [await TestAuthority.create('One'), await TestAuthority.create('Two')];
    const file = join(tempDir('trust'), 'ca.pem');
    writeFileSync(file, `# ours\n${one.pem}\n${two.pem}\n`);
    const context = await new TrustStore().contextFor(file);
    await expect(isTrusted(context, one)).resolves.toBe(true);
    await expect(isTrusted(context, two)).resolves.toBe(true);
  });

  it.each([
    ['trusts NODE_EXTRA_CA_CERTS as well', true],
    ['does without NODE_EXTRA_CA_CERTS where it cannot be read', false],
  ])('%s', async (_what, isReadable) => {
    const [extra, authority] = [await TestAuthority.create('Extra'), await TestAuthority.create()];
    const dir = tempDir('trust');
    const file = join(dir, 'ca.pem');
    writeFileSync(file, authority.pem);
    if (isReadable) writeFileSync(join(dir, 'extra.pem'), extra.pem);
    const before = process.env['NODE_EXTRA_CA_CERTS'];
    cleanup(() => {
      if (before === undefined) delete process.env['NODE_EXTRA_CA_CERTS'];
      else process.env['NODE_EXTRA_CA_CERTS'] = before;
    });
    process.env['NODE_EXTRA_CA_CERTS'] = join(dir, 'extra.pem');
    const context = await new TrustStore().contextFor(file);
    await expect(isTrusted(context, authority)).resolves.toBe(true);
    await expect(isTrusted(context, extra)).resolves.toBe(isReadable);
  });

  it('reads a file again only when it changed', async () => {
    const [before, after] = [
      await TestAuthority.create('Before'),
      await TestAuthority.create('After'),
    ];
    const file = join(tempDir('trust'), 'ca.pem');
    const store = new TrustStore();
    writeFileSync(file, before.pem);
    const first = await store.contextFor(file);
    expect(await store.contextFor(file)).toBe(first);
    writeFileSync(file, after.pem);
    utimesSync(file, 1, 1);
    const second = await store.contextFor(file);
    expect(second).not.toBe(first);
    await expect(isTrusted(second, after)).resolves.toBe(true);
    await expect(isTrusted(second, before)).resolves.toBe(false);
  });

  it('reads a file once for dials that come at the same time', async () => {
    const file = join(tempDir('trust'), 'ca.pem');
    writeFileSync(file, (await TestAuthority.create()).pem);
    const store = new TrustStore();
    const contexts = await Promise.all(Array.from({ length: 50 }, () => store.contextFor(file)));
    expect(new Set(contexts).size).toBe(1);
  });

  it.each([
    ['is missing', undefined],
    ['is empty', ''],
    ['holds no certificate', 'hello'],
    [
      'holds a broken certificate',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    ],
  ])('says ORIGIN_TLS and the file when it %s', async (_what, content) => {
    const file = join(tempDir('trust'), 'ca.pem');
    if (content !== undefined) writeFileSync(file, content);
    const store = new TrustStore();
    await expect(store.contextFor(file)).rejects.toMatchObject({
      code: 'ORIGIN_TLS',
      message: expect.stringContaining(`Cannot use caPool "${file}"`),
    });
    writeFileSync(file, (await TestAuthority.create()).pem);
    await expect(store.contextFor(file)).resolves.toBeDefined();
  });

  it.each([
    ['gone', undefined],
    ['broken', 'hello'],
  ])('goes on with the authorities before when the file is %s', async (_what, content) => {
    const file = join(tempDir('trust'), 'ca.pem');
    const store = new TrustStore();
    writeFileSync(file, (await TestAuthority.create()).pem);
    const good = await store.contextFor(file);
    if (content === undefined) rmSync(file);
    else writeFileSync(file, content);
    await expect(store.contextFor(file)).resolves.toBe(good);
    await expect(store.contextFor(file)).resolves.toBe(good);
    writeFileSync(file, (await TestAuthority.create()).pem);
    utimesSync(file, 1, 1);
    expect(await store.contextFor(file)).not.toBe(good);
  });

  it('keeps no more files in memory than the limit, the ones used last', async () => {
    const dir = tempDir('trust');
    const store = new TrustStore();
    const files = Array.from({ length: LIMITS.originCaFiles + 1 }, (_, i) => join(dir, `${i}.pem`));
    const [root = ''] = rootCertificates;
    const contexts: SecureContext[] = [];
    for (const file of files) {
      writeFileSync(file, root);
      contexts.push(await store.contextFor(file));
    }
    expect(await store.contextFor(files.at(-1) ?? '')).toBe(contexts.at(-1));
    expect(await store.contextFor(files[0] ?? '')).not.toBe(contexts[0]);
  });
});
