import { beforeEach, expect, it } from '@jest/globals';

import { checkPassword } from '../../../../src/access/local/password-hash.ts';
import { UserAccounts } from '../../../../src/access/local/user-accounts.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import type { Store } from '../../../../src/store/store.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const ANN = { name: 'ann', password: 'secret-1', groups: [], hasTotp: false };

let store: Store;
let accounts: UserAccounts;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  store = await openStore({ file: `${tempDir('users')}/postern.db`, clock });
  cleanup(() => store.close());
  accounts = new UserAccounts({ ...store, clock });
});

async function addSession(id: string, localUser: string): Promise<void> {
  const now = clock.wall();
  await store.sessions.add({
    id,
    kind: 'browser',
    secretHash: id.padEnd(64, '0'),
    identity: { provider: 'local', subject: localUser },
    createdAt: now,
    authenticatedAt: now,
    refreshedAt: now,
    expiresAt: now + 3_600_000,
    address: '',
    agent: '',
    provider: { localUser },
  });
}

async function liveSessions(): Promise<string[]> {
  return (await store.sessions.list()).map(({ id }) => id);
}

it('keeps a user with the password hashed', async () => {
  await accounts.add({ ...ANN, email: 'Ann@Example.com', groups: ['staff', 'staff', 'on call'] });
  const [user] = await accounts.list();
  expect(user).toMatchObject({
    name: 'ann',
    email: 'ann@example.com',
    groups: ['staff', 'on call'],
    disabled: false,
  });
  expect(user?.passwordHash).not.toContain('secret-1');
  expect(await checkPassword('secret-1', user?.passwordHash)).toBe(true);
});

it('shows the secret of the one-time code once', async () => {
  const { totpUri } = await accounts.add({ ...ANN, hasTotp: true });
  expect(totpUri).toMatch(/^otpauth:\/\/totp\/Postern:ann\?secret=[A-Z2-7]{32}&/);
  expect((await store.users.find('ann'))?.totpSecret).toBeDefined();
  expect(await accounts.add({ ...ANN, name: 'bob' })).toEqual({});
});

it('refuses what is no name, address, group or password', async () => {
  const refused = [
    { name: 'Ann' },
    { name: '' },
    { name: '-ann' },
    { name: 'a'.repeat(65) },
    { name: 'ann\n' },
    { email: 'ann' },
    { groups: ['line\nbreak'] },
    { groups: [''] },
    { password: 'x'.repeat(LIMITS.passwordMinChars - 1) },
    { password: 'x'.repeat(LIMITS.formFieldChars + 1) },
  ];
  for (const change of refused) {
    await expect(accounts.add({ ...ANN, ...change })).rejects.toMatchObject({
      code: 'ADMIN_BAD_REQUEST',
    });
  }
  await accounts.add(ANN);
  await expect(accounts.add(ANN)).rejects.toMatchObject({ code: 'STORE_EXISTS' });
});

it('a new password ends the sessions of its user, and no others', async () => {
  await accounts.add(ANN);
  await addSession('a', 'ann');
  await addSession('b', 'bob');
  await accounts.setPassword('ann', 'secret-2', 'keep');
  expect(await liveSessions()).toEqual(['b']);
  const user = await store.users.find('ann');
  expect(await checkPassword('secret-2', user?.passwordHash)).toBe(true);
});

it('changes the one-time code only where that is asked for', async () => {
  await accounts.add({ ...ANN, hasTotp: true });
  const secret = async () => (await store.users.find('ann'))?.totpSecret;
  const first = await secret();
  expect(await accounts.setPassword('ann', 'secret-2', 'keep')).toEqual({});
  expect(await secret()).toBe(first);
  const { totpUri } = await accounts.setPassword('ann', 'secret-2', 'new');
  expect(totpUri).toContain(String(await secret()));
  expect(await secret()).not.toBe(first);
  await accounts.setPassword('ann', 'secret-2', 'none');
  expect(await secret()).toBeUndefined();
});

it('removing a user ends their sessions', async () => {
  await accounts.add(ANN);
  await addSession('a', 'ann');
  await accounts.remove('ann');
  expect(await liveSessions()).toEqual([]);
  await expect(accounts.remove('ann')).rejects.toMatchObject({ code: 'STORE_NOT_FOUND' });
  await expect(accounts.setPassword('ann', 'secret-2', 'keep')).rejects.toMatchObject({
    code: 'STORE_NOT_FOUND',
  });
});
