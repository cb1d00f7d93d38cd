import { X509Certificate, createPrivateKey } from 'node:crypto';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { ensureSpKeys, type SpKey } from '../../../../src/access/saml/sp-keys.ts';
import { createKeyCertificate } from '../../../../src/gateway/tls/make-certificate.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import type { Store } from '../../../../src/store/store.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const NOW = Date.UTC(2026, 0, 1);

async function twoProcesses(): Promise<[Store, Store]> {
  const file = join(tempDir('sp-keys'), 'postern.db');
  const stores: [Store, Store] = [await openStore({ file }), await openStore({ file })];
  for (const store of stores) cleanup(async () => store.close());
  return stores;
}

function certificateOf({ certificate }: SpKey): X509Certificate {
  return new X509Certificate(Buffer.from(certificate, 'base64'));
}

it('ensureSpKeys() makes a signing and an encryption key once, also for two processes that start together', async () => {
  const stores = await twoProcesses();
  const [first, second] = await Promise.all(
    stores.map(async ({ keys }) => ensureSpKeys({ keys, certify: createKeyCertificate }, NOW)),
  );
  expect(second).toEqual(first);
  const [signing, encryption] = [first?.signing[0] as SpKey, first?.encryption[0] as SpKey];
  expect([first?.signing.length, first?.encryption.length]).toEqual([1, 1]);
  expect(signing.privateKey).not.toBe(encryption.privateKey);
  for (const key of [signing, encryption]) {
    const certificate = certificateOf(key);
    expect(certificate.checkPrivateKey(createPrivateKey(key.privateKey))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(NOW + 9 * 365 * 86_400_000);
  }
  expect(certificateOf(signing).subject).toBe('CN=Postern saml-signing');
});

it('ensureSpKeys() leaves out keys that are not yet or no longer to be used', async () => {
  const [{ keys }] = await twoProcesses();
  const ports = { keys, certify: createKeyCertificate };
  await ensureSpKeys(ports, NOW);
  const [own] = await keys.list('saml-signing');
  if (own === undefined) throw new Error('There is no key');
  const next = { ...own, id: 'next', activeFrom: NOW + 10 };
  await keys.add(next);
  await keys.add({ ...own, id: 'old', createdAt: NOW - 10, retireAt: NOW });
  expect((await ensureSpKeys(ports, NOW)).signing).toHaveLength(1);
  expect((await ensureSpKeys(ports, NOW + 10)).signing).toHaveLength(2);
});

it('ensureSpKeys() says which key of the store it cannot use', async () => {
  const [{ keys }] = await twoProcesses();
  const row = { use: 'saml-signing', createdAt: 1, activeFrom: 1 };
  await keys.add({ ...row, id: 'odd', privateJwk: { kty: 'RSA', d: 'canary', x5c: ['AA'] } });
  const outcome = ensureSpKeys({ keys, certify: createKeyCertificate }, NOW);
  await expect(outcome).rejects.toMatchObject({
    code: 'CONFIG_TLS',
    message: 'Cannot use the SAML key "odd" of the store',
  });
});
