/** The authority's keys on a real store: made once, rotated with an overlap, shared by processes. */
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { SshAuthority } from '../../../../src/access/ssh/ssh-authority.ts';
import { authorityBlob } from '../../../../src/access/ssh/user-certificate.ts';
import type { Store } from '../../../../src/store/store.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const HOUR = 3_600_000;

let clock: FakeClock;
let file: string;
let authority: SshAuthority;

async function open(): Promise<Store> {
  const store = await openStore({ file });
  cleanup(async () => store.close());
  return store;
}

beforeEach(async () => {
  clock = new FakeClock();
  file = join(tempDir('authority'), 'postern.db');
  authority = new SshAuthority((await open()).keys, clock);
});

async function states(): Promise<string[]> {
  return (await authority.publicKeys()).map(({ state }) => state);
}

/** The line of the key that signs. */
async function signs(): Promise<string> {
  const blob = authorityBlob(await authority.signingKey());
  return `ssh-ed25519 ${blob.toString('base64')}`;
}

describe('SshAuthority', () => {
  it('makes a key the first time and keeps it', async () => {
    const [key] = await authority.publicKeys();
    expect(key?.line).toMatch(/^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI\S+ postern-ssh-ca-/);
    expect(key?.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
    const again = new SshAuthority((await open()).keys, clock);
    expect(await again.publicKeys()).toEqual([key]);
    expect(key?.line).toContain(await signs());
    const key2 = createPublicKey(await again.signingKey());
    expect(key2.asymmetricKeyType).toBe('ed25519');
  });

  it('makes one key when several processes begin at once', async () => {
    const stores = await Promise.all([open(), open(), open()]);
    const found = await Promise.all(
      stores.map(async ({ keys }) => new SshAuthority(keys, clock).publicKeys()),
    );
    expect(new Set(found.flat().map(({ line }) => line)).size).toBe(1);
  });

  it('rotates: publishes the next key, signs with it later, and drops the old one', async () => {
    const first = await signs();
    expect((await authority.rotate(24 * HOUR)).map(({ state }) => state)).toEqual([
      'signing',
      'next',
    ]);
    expect(await signs()).toBe(first);
    clock.run(24 * HOUR);
    expect(await states()).toEqual(['signing', 'old']);
    expect(await signs()).not.toBe(first);
    clock.run(HOUR - 1);
    expect(await states()).toEqual(['signing', 'old']);
    clock.run(1);
    expect(await states()).toEqual(['signing']);
  });

  it('begins no second rotation while one is under way', async () => {
    await authority.rotate(HOUR);
    await expect(authority.rotate(HOUR)).rejects.toMatchObject({ code: 'STORE_EXISTS' });
  });

  it('signs with a new key at once when it is told to', async () => {
    const first = await signs();
    clock.run(1);
    await authority.rotate(0);
    expect(await signs()).not.toBe(first);
    expect(await states()).toEqual(['signing', 'old']);
  });
});
