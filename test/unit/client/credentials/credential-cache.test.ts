/** Where credentials end up, and which are given out again. */
import { describe, expect, it } from '@jest/globals';
import { CredentialCache } from '../../../../src/client/credentials/credential-cache.ts';
import {
  formatCredential,
  parseCredential,
  type Credential,
} from '../../../../src/client/credentials/credential.ts';
import type { Vault } from '../../../../src/client/credentials/vault.ts';
import { PosternError } from '../../../../src/core/error.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const GATEWAY = 'https://auth.postern.test:8443';

function credentialFor(clock: FakeClock): Credential {
  return {
    gateway: GATEWAY,
    token: `pcl_${'a'.repeat(43)}`,
    expiresAt: clock.wall() + 60_000,
    email: 'a@example.com',
    keys: ['k'.repeat(43)],
  };
}

/** A vault in memory; `fails` makes it one that is locked. */
class MemoryVault implements Vault {
  readonly texts = new Map<string, string>();
  fails = false;

  async read(account: string): Promise<string | undefined> {
    this.#check();
    return this.texts.get(account);
  }

  async write(account: string, text: string): Promise<void> {
    this.#check();
    this.texts.set(account, text);
  }

  async remove(account: string): Promise<boolean> {
    this.#check();
    return this.texts.delete(account);
  }

  #check(): void {
    if (this.fails) throw new PosternError('CLI_CREDENTIALS', 'Cannot use the keychain: locked');
  }
}

function openCache(keychain?: MemoryVault) {
  const clock = new FakeClock();
  const file = new MemoryVault();
  const notes: string[] = [];
  let opened = 0;
  const cache = new CredentialCache({
    file,
    openKeychain: async () => {
      opened += 1;
      return keychain ?? 'there is none';
    },
    clock,
    onNote: (note) => notes.push(note),
  });
  return { cache, clock, file, notes, opened: () => opened };
}

describe('CredentialCache', () => {
  it('keeps a credential in the keychain and nowhere else', async () => {
    const keychain = new MemoryVault();
    const { cache, clock, file, notes } = openCache(keychain);
    file.texts.set(GATEWAY, 'of a former time');
    const credential = credentialFor(clock);
    await cache.save(credential);
    expect([file.texts.size, keychain.texts.size, notes]).toEqual([0, 1, []]);
    expect(await cache.find(GATEWAY)).toEqual(credential);
  });

  it('keeps it in the file, and says why, where there is no keychain or it fails', async () => {
    const locked = new MemoryVault();
    locked.fails = true;
    for (const keychain of [undefined, locked]) {
      const { cache, clock, file, notes } = openCache(keychain);
      await cache.save(credentialFor(clock));
      expect(file.texts.size).toBe(1);
      expect(notes).toEqual([expect.stringMatching(/keychain.*kept in a file/)]);
      expect(await cache.find(GATEWAY)).toEqual(credentialFor(clock));
    }
  });

  it('does not ask the keychain for what is in the file', async () => {
    const { cache, clock, file, opened } = openCache(new MemoryVault());
    file.texts.set(GATEWAY, formatCredential(credentialFor(clock)));
    expect(await cache.find(GATEWAY)).toBeDefined();
    expect(opened()).toBe(0);
  });

  it('finds nothing once the session is over', async () => {
    const { cache, clock } = openCache();
    await cache.save(credentialFor(clock));
    clock.run(59_999);
    expect(await cache.find(GATEWAY)).toBeDefined();
    clock.run(1);
    expect(await cache.find(GATEWAY)).toBeUndefined();
  });

  it('finds nothing for another gateway, whatever the file says', async () => {
    const { cache, clock, file } = openCache();
    file.texts.set('https://auth.evil.test', formatCredential(credentialFor(clock)));
    expect(await cache.find('https://auth.evil.test')).toBeUndefined();
  });

  it('forgets a credential in both places', async () => {
    const keychain = new MemoryVault();
    const { cache, clock, file } = openCache(keychain);
    keychain.texts.set(GATEWAY, formatCredential(credentialFor(clock)));
    file.texts.set(GATEWAY, formatCredential(credentialFor(clock)));
    expect(await cache.remove(GATEWAY)).toBe(true);
    expect([file.texts.size, keychain.texts.size]).toEqual([0, 0]);
    expect(await cache.remove(GATEWAY)).toBe(false);
  });
});

describe('parseCredential()', () => {
  const whole = formatCredential(credentialFor(new FakeClock()));

  it('reads what formatCredential() wrote', () => {
    expect(parseCredential(whole)).toEqual(credentialFor(new FakeClock()));
  });

  it('L4 takes a text that was cut anywhere for none, and never throws', () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(parseCredential(whole.slice(0, length))).toBeUndefined();
      expect(parseCredential(whole.slice(length + 1))).toBeUndefined();
    }
  });

  it.each([
    ['null', null],
    ['a number', 7],
    ['a list', []],
    ['a gateway over plain HTTP', { gateway: 'http://auth.postern.test' }],
    ['a gateway with a path', { gateway: `${GATEWAY}/x` }],
    ['a token of another kind', { token: `pst_${'a'.repeat(64)}` }],
    ['a token with a line break', { token: `pcl_${'a'.repeat(43)}\r\nx: y` }],
    ['no keys', { keys: undefined }],
    ['keys that are none', { keys: ['short'] }],
    ['a time that is none', { expiresAt: '2030' }],
  ])('L4 takes %s for none', (_, change) => {
    const base: object = JSON.parse(whole);
    const isPart = typeof change === 'object' && change !== null && !Array.isArray(change);
    const text = JSON.stringify(isPart ? { ...base, ...change } : change);
    expect(parseCredential(text)).toBeUndefined();
  });
});
