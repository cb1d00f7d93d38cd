import { readFile, stat } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import type { SessionRecord } from '../../../src/store/store.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { coded, DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

const DAY_MS = 86_400_000;

function aSession(clock: FakeClock, change: Partial<SessionRecord> = {}): SessionRecord {
  const now = clock.wall();
  return {
    id: 'one',
    kind: 'browser',
    secretHash: 'aa',
    identity: { provider: 'corp', subject: 'ann', groups: ['staff'] },
    createdAt: now,
    authenticatedAt: now,
    refreshedAt: now,
    expiresAt: now + 1_000,
    address: '192.0.2.1',
    agent: 'curl',
    provider: { refreshToken: 'canary-of-a-refresh-token' },
    ...change,
  };
}

describe.each(DRIVERS)('sessions with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('a session is found by id and by the hash of its secret, also by another process', async () => {
    const clock = new FakeClock();
    const session = aSession(clock);
    await (await folder.open({ clock })).sessions.add(session);
    const { sessions } = await folder.open({ clock });
    expect(await sessions.find('one')).toEqual(session);
    expect(await sessions.findBySecretHash('aa')).toEqual(session);
    expect(await sessions.find('two')).toBeUndefined();
    expect(await sessions.findBySecretHash('one')).toBeUndefined();
  });

  it.each([
    ['id', { secretHash: 'bb' }],
    ['secret', { id: 'two' }],
  ])('add() refuses a taken %s', async (_, change) => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock));
    await expect(sessions.add(aSession(clock, change))).rejects.toEqual(
      coded('STORE_EXISTS', 'Cannot keep a session'),
    );
  });

  it('revoke() ends a session once, and it keeps the reason', async () => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock));
    expect(await sessions.revoke('one', 'signed out')).toBe(true);
    expect(await sessions.revoke('one', 'again')).toBe(false);
    expect(await sessions.revoke('two', 'unknown')).toBe(false);
    expect(await sessions.find('one')).toMatchObject({
      revokedAt: clock.wall(),
      revokedBecause: 'signed out',
    });
    expect(await sessions.list()).toEqual([]);
  });

  it('refresh() replaces what the provider said, of a live session only', async () => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock));
    clock.run(10);
    const change = { identity: { provider: 'corp', subject: 'ann' }, provider: { sid: '1' } };
    const expected = { ...aSession(clock), ...change, createdAt: clock.wall() - 10 };
    expect(await sessions.refresh('one', change)).toMatchObject({
      ...change,
      refreshedAt: expected.refreshedAt,
    });
    clock.run(1_000);
    expect(await sessions.refresh('one', change)).toBeUndefined();
    expect(await sessions.refresh('two', change)).toBeUndefined();
  });

  it('list() leaves out the expired, and an ended session goes after a day', async () => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock));
    await sessions.add(
      aSession(clock, { id: 'two', secretHash: 'bb', expiresAt: clock.wall() + DAY_MS * 9 }),
    );
    clock.run(1_001);
    expect((await sessions.list()).map(({ id }) => id)).toEqual(['two']);
    await sessions.revoke('two', 'signed out');
    clock.run(DAY_MS - 10);
    await sessions.add(aSession(clock, { id: 'three', secretHash: 'cc' }));
    expect(await sessions.find('one')).toBeDefined();
    clock.run(1_012);
    await sessions.add(aSession(clock, { id: 'four', secretHash: 'dd' }));
    expect(await sessions.find('one')).toBeUndefined();
    expect(await sessions.find('two')).toBeUndefined();
  });

  it('add() refuses one above LIMITS.sessions', async () => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock, { expiresAt: clock.wall() + DAY_MS }));
    (await folder.raw()).exec(`
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.sessions - 1})
      insert into sessions select id || i, kind, secret_hash || i, identity, created_at, authenticated_at,
        refreshed_at, expires_at, address, agent, sealed_provider, null, null from sessions, n`);
    await expect(sessions.add(aSession(clock, { id: 'x', secretHash: 'x' }))).rejects.toEqual(
      coded('STORE_LIMIT', `there are ${LIMITS.sessions} already`),
    );
  });

  it("A8 what the provider gave is not readable in the database, and its key is the owner's only", async () => {
    const clock = new FakeClock();
    const store = await folder.open({ clock });
    await store.sessions.add(aSession(clock));
    await store.close();
    const bytes = await readFile(folder.path());
    expect(bytes.includes('curl')).toBe(true);
    expect(bytes.includes('canary')).toBe(false);
    expect((await stat(folder.path('postern.db.key'))).mode & 0o777).toBe(0o600);
  });

  it('sealed values cannot be moved to another session', async () => {
    const clock = new FakeClock();
    const { sessions } = await folder.open({ clock });
    await sessions.add(aSession(clock));
    await sessions.add(aSession(clock, { id: 'two', secretHash: 'bb', provider: {} }));
    const raw = await folder.raw();
    const [{ sealed_provider: sealed } = {}] = rowsOf(
      raw,
      "select sealed_provider from sessions where id = 'one'",
    );
    raw.exec(`update sessions set sealed_provider = '${String(sealed)}' where id = 'two'`);
    await expect(sessions.find('two')).rejects.toEqual(
      coded('STORE_FAILED', 'is not the key that it was encrypted with'),
    );
  });
});
