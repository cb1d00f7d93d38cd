import { describe, expect, it } from '@jest/globals';

import type { Session } from '../../../../src/access/sign-in/sign-in-ports.ts';
import { accessCore, ANN, ANNS_BROWSER, type AccessCore } from '../../../support/access-core.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const HOUR_MS = 3_600_000;

/** What is told of ended sessions from now on. */
function ends({ sessions }: AccessCore): string[] {
  const told: string[] = [];
  sessions.onEnded(({ id }: Session, because) => told.push(`${id} ${because}`));
  return told;
}

/** Two processes on one database. */
async function twoProcesses(): Promise<[AccessCore, AccessCore]> {
  const file = `${tempDir('two')}/postern.db`;
  const first = await accessCore({ file });
  return [first, await accessCore({ file, clock: first.clock })];
}

describe('sessions', () => {
  it('C1 every sign-in has a session id and a secret of its own', async () => {
    const { sessions } = await accessCore();
    const made = [await sessions.create(ANNS_BROWSER), await sessions.create(ANNS_BROWSER)];
    expect(new Set(made.map(({ session }) => session.id)).size).toBe(2);
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(2);
    expect(made[0]?.secret).toMatch(/^pse_[A-Za-z0-9_-]{43}$/);
    const client = await sessions.create({ ...ANNS_BROWSER, kind: 'client' });
    expect(client.secret).toMatch(/^pcl_/);
  });

  it('verify() knows a secret at once in the process that made it, and soon in another', async () => {
    const [here, there] = await twoProcesses();
    const { session, secret } = await here.sessions.create(ANNS_BROWSER);
    expect(here.sessions.verify(secret)).toEqual(session);
    expect(there.sessions.peek(session.id)).toBeUndefined();
    expect(await there.sessions.verify(secret)).toEqual(session);
    expect(there.sessions.verify(secret)).toEqual(session);
    expect(await there.sessions.find(session.id)).toEqual(session);
  });

  it.each(['', 'pse_', `pse_${'a'.repeat(43)}`, `pse_${'a'.repeat(44)}`, 'x'.repeat(10_000)])(
    'verify() takes no %p',
    async (secret) => {
      const { sessions } = await accessCore();
      await sessions.create(ANNS_BROWSER);
      expect(await sessions.verify(secret)).toBeUndefined();
    },
  );

  it('a session ends with its duration, and is told of', async () => {
    const core = await accessCore();
    const told = ends(core);
    const { session, secret } = await core.sessions.create(ANNS_BROWSER);
    await core.pass(8 * HOUR_MS - 1_000);
    expect(await core.sessions.verify(secret)).toBeDefined();
    await core.pass(1_000);
    expect(await core.sessions.verify(secret)).toBeUndefined();
    expect(await core.sessions.find(session.id)).toBeUndefined();
    expect(told).toEqual([`${session.id} expired`]);
  });

  it('create() may ask for an earlier end, never for a later one', async () => {
    const { sessions, clock } = await accessCore();
    const end = (expiresAt: number): number => clock.wall() + expiresAt;
    const soon = await sessions.create({ ...ANNS_BROWSER, expiresAt: end(HOUR_MS) });
    const late = await sessions.create({ ...ANNS_BROWSER, expiresAt: end(99 * HOUR_MS) });
    expect(soon.session.expiresAt).toBe(end(HOUR_MS));
    expect(late.session.expiresAt).toBe(end(8 * HOUR_MS));
  });

  it('C9 a session that is revoked is worth nothing at once, and within a second in another process', async () => {
    const [here, there] = await twoProcesses();
    const { session, secret } = await here.sessions.create(ANNS_BROWSER);
    await there.sessions.verify(secret);
    const [toldHere, toldThere] = [ends(here), ends(there)];
    expect(await here.sessions.revoke(session.id, 'stolen')).toBe(true);
    expect(await here.sessions.verify(secret)).toBeUndefined();
    expect(toldHere).toEqual([`${session.id} stolen`]);
    await there.pass(1_000);
    expect(toldThere).toEqual([`${session.id} stolen`]);
    expect(await there.sessions.verify(secret)).toBeUndefined();
    expect(await there.sessions.revoke(session.id, 'again')).toBe(false);
  });

  it('revokeWhere() ends those it picks, also ones that only another process has seen', async () => {
    const [here, there] = await twoProcesses();
    const anns = await here.sessions.create(ANNS_BROWSER);
    const bob = { ...ANN, subject: 'u2', email: 'bob@example.com' };
    const bobs = await here.sessions.create({ ...ANNS_BROWSER, identity: bob });
    const isBob = ({ identity }: Session): boolean => identity.subject === 'u2';
    expect(await there.sessions.revokeWhere(isBob, 'gone')).toBe(1);
    await here.pass(1_000);
    expect(await here.sessions.verify(anns.secret)).toBeDefined();
    expect(await here.sessions.verify(bobs.secret)).toBeUndefined();
    expect(await here.sessions.list()).toEqual([anns.session]);
  });

  it('refresh() replaces the identity, here and in another process', async () => {
    const [here, there] = await twoProcesses();
    const { session, secret } = await here.sessions.create(ANNS_BROWSER);
    await there.sessions.verify(secret);
    const refreshed: string[][] = [];
    there.sessions.onRefreshed(({ identity }) => refreshed.push([...identity.groups]));
    here.clock.run(5);
    const identity = { ...ANN, groups: ['guests'] };
    expect(await here.sessions.refresh(session.id, identity, {})).toMatchObject({ identity });
    await there.pass(1_000);
    expect(refreshed).toEqual([['guests']]);
    expect(there.sessions.peek(session.id)?.identity).toEqual(identity);
    await here.sessions.revoke(session.id, 'over');
    await expect(here.sessions.refresh(session.id, identity, {})).rejects.toMatchObject({
      code: 'STORE_NOT_FOUND',
    });
  });

  it('memory is bounded, and what has left it is found again', async () => {
    const { sessions } = await accessCore({ cached: 3 });
    const made = [];
    for (let at = 0; at < 5; at += 1) made.push(await sessions.create(ANNS_BROWSER));
    expect(made.filter(({ session }) => sessions.peek(session.id) !== undefined)).toHaveLength(3);
    const [first] = made;
    expect(await sessions.verify(first?.secret ?? '')).toEqual(first?.session);
  });

  it('A5 one event each for a session that begins and one that is revoked, without any secret (A8)', async () => {
    const { sessions, audit } = await accessCore();
    const provider = { refreshToken: 'canary' };
    const { session, secret } = await sessions.create({ ...ANNS_BROWSER, provider });
    await sessions.revoke(session.id, 'stolen');
    await sessions.revoke(session.id, 'stolen');
    expect(audit.map(({ type, actor, detail }) => [type, actor, detail?.['because']])).toEqual([
      ['session.create', 'ann@example.com', undefined],
      ['session.revoke', 'ann@example.com', 'stolen'],
    ]);
    expect(JSON.stringify(audit)).not.toContain(secret);
    expect(JSON.stringify(audit)).not.toContain('canary');
  });
});
