/** Credentials of client links, and their streams, with the sessions, service tokens and the gate that a gateway has. */
import { describe, expect, it } from '@jest/globals';

import { ClientGate, type SignedInClient } from '../../../../src/gateway/relay/client-gate.ts';
import type { StreamAsk } from '../../../../src/gateway/relay/stream-gate.ts';
import { accessCore, ANN, ANNS_BROWSER, type AccessCore } from '../../../support/access-core.ts';
import { accessRules } from '../../../support/access-rules.ts';
import { eventually } from '../../../support/eventually.ts';

const ANNS_CLIENT = { ...ANNS_BROWSER, kind: 'client' } as const;
const ADDRESS = '192.0.2.1';
const HOSTNAME = 'ssh.postern.test';

function rules(...include: readonly object[]): ReturnType<typeof accessRules> {
  return accessRules({
    applications: [
      { name: 'ssh', hostname: HOSTNAME, policies: [{ name: 'staff', action: 'allow', include }] },
      {
        name: 'machines',
        hostname: 'db.postern.test',
        policies: [{ name: 'm', action: 'service-auth', include: [{ 'service-token': 'any' }] }],
      },
    ],
  });
}

function ask(principal: SignedInClient, hostname = HOSTNAME): StreamAsk<SignedInClient> {
  return { hostname, principal, address: ADDRESS, requestId: 'q' };
}

interface Lab extends AccessCore {
  readonly clients: ClientGate;
}

async function start(): Promise<Lab> {
  const core = await accessCore({ rules: rules({ email: ANN.email }) });
  const { clock, gate, sessions, serviceTokens } = core;
  return {
    ...core,
    clients: new ClientGate({ clock, gate, sessions, serviceTokens }),
  };
}

const SIGN_IN = expect.objectContaining({ code: 'ACCESS_SIGN_IN' });

describe('ClientGate.admit()', () => {
  it('takes nobody for nobody', async () => {
    const { clients } = await start();
    expect(await clients.admit(undefined)).toEqual({});
  });

  it('knows people by their sessions, the same ones whatever the session', async () => {
    const { clients, sessions } = await start();
    const [one, two] = [await sessions.create(ANNS_CLIENT), await sessions.create(ANNS_CLIENT)];
    const ann = await clients.admit(one.secret);
    expect(ann).toMatchObject({ user: ANN.email, session: { id: one.session.id } });
    expect((await clients.admit(two.secret)).owner).toBe(ann.owner);
    const other = { ...ANNS_CLIENT, identity: { ...ANN, subject: 'u2' } };
    const bob = await clients.admit((await sessions.create(other)).secret);
    expect(bob.owner).not.toBe(ann.owner);
  });

  it('knows machines by their service tokens', async () => {
    const { clients, store, serviceTokens } = await start();
    const { token, secret } = await store.serviceTokens.create('backup');
    await serviceTokens.load();
    const machine = await clients.admit(`${token.id}.${secret}`);
    expect(machine).toMatchObject({ user: 'backup', serviceToken: { name: 'backup' } });
    await expect(clients.admit(`${token.id}.wrong`)).rejects.toEqual(SIGN_IN);
  });

  it('refuses what is worth nothing: another kind of session, one that is over, anything else', async () => {
    const { clients, sessions } = await start();
    const browser = await sessions.create(ANNS_BROWSER);
    const ended = await sessions.create(ANNS_CLIENT);
    await sessions.revoke(ended.session.id, 'test');
    const worthless = [
      browser.secret,
      ended.secret,
      `pcl_${browser.secret.slice(4)}`,
      `pcl_${'A'.repeat(43)}`,
      'pcl_',
      '',
      '.',
      'no token',
    ];
    for (const credential of worthless) {
      await expect(clients.admit(credential)).rejects.toEqual(SIGN_IN);
    }
  });
});

describe('ClientGate.watch()', () => {
  it('tells of the end of the session, and of no other', async () => {
    const { clients, sessions } = await start();
    const [one, two] = [await sessions.create(ANNS_CLIENT), await sessions.create(ANNS_CLIENT)];
    const ended: string[] = [];
    const released = clients.watch(await clients.admit(one.secret), () => ended.push('released'));
    clients.watch(await clients.admit(one.secret), ({ code }) => ended.push(`one ${code}`));
    clients.watch(await clients.admit(two.secret), () => ended.push('two'));
    released.release();
    await sessions.revoke(one.session.id, 'test');
    expect(ended).toEqual(['one ACCESS_SIGN_IN']);
  });
});

describe('ClientGate.judge()', () => {
  it('lets in whom the policies let in, asks others to sign in, and says no more', async () => {
    const { clients, sessions } = await start();
    const ann = await clients.admit((await sessions.create(ANNS_CLIENT)).secret);
    const other = { ...ANNS_CLIENT, identity: { ...ANN, subject: 'u2', email: 'eve@example.com' } };
    const eve = await clients.admit((await sessions.create(other)).secret);
    expect(clients.judge(ask(ann))).toMatchObject({ allow: true, application: 'ssh' });
    expect(clients.judge(ask(eve))).toMatchObject({
      allow: false,
      error: { code: 'ACCESS_DENIED', message: `Cannot reach "${HOSTNAME}": not allowed` },
    });
    expect(clients.judge(ask({}))).toMatchObject({
      allow: false,
      error: { code: 'ACCESS_SIGN_IN' },
    });
    expect(clients.judge(ask(ann, 'unknown.postern.test')).allow).toBe(false);
  });

  it('lets in machines where machines may go, for as long as their token lives', async () => {
    const { clients, store, serviceTokens } = await start();
    const { token, secret } = await store.serviceTokens.create('backup');
    await serviceTokens.load();
    const machine = await clients.admit(`${token.id}.${secret}`);
    expect(clients.judge(ask(machine, 'db.postern.test')).allow).toBe(true);
    expect(clients.judge(ask(machine)).allow).toBe(false);
    await store.serviceTokens.remove('backup');
    await serviceTokens.load();
    expect(clients.judge(ask(machine, 'db.postern.test'))).toMatchObject({
      error: { code: 'ACCESS_SIGN_IN' },
    });
  });

  it('says how long a stream may be detached, as the policy or else the application has it, and when access ends', async () => {
    const { clients, gate, sessions, clock } = await start();
    const HOUR_MS = 3_600_000;
    const ann = await clients.admit((await sessions.create(ANNS_CLIENT)).secret);
    const said = (application: object, policy: object): unknown => {
      const policies = [{ action: 'allow', include: ['everyone'], ...policy }];
      const one = { name: 'ssh', hostname: HOSTNAME, ...application, policies };
      gate.setRules(accessRules({ applications: [one] }));
      return clients.judge(ask(ann));
    };
    const asked = { 'detached-timeout': '1h' };
    expect(said({}, {})).toMatchObject({ detachedMs: 300_000, endsMs: 8 * HOUR_MS });
    expect(said(asked, {})).toMatchObject({ detachedMs: HOUR_MS });
    expect(said(asked, { 'detached-timeout': '0s' })).toMatchObject({ detachedMs: 0 });
    clock.setWall(HOUR_MS);
    expect(said(asked, { 'session-duration': '48h' })).toMatchObject({ endsMs: 23 * HOUR_MS });
    const open = said({}, { action: 'bypass' });
    expect(open).toMatchObject({ allow: true, detachedMs: 300_000 });
    expect(open).not.toHaveProperty('endsMs');
  });

  it('judges by the claims of now, not of when the link came', async () => {
    const { clients, sessions } = await start();
    const { secret, session } = await sessions.create(ANNS_CLIENT);
    const ann = await clients.admit(secret);
    await sessions.refresh(session.id, { ...ANN, email: 'ann@elsewhere.example' }, {});
    expect(clients.judge(ask(ann)).allow).toBe(false);
  });
});

describe('ClientGate.hold()', () => {
  it.each<[string, (lab: Lab, id: string) => unknown]>([
    ['the session is revoked', async ({ sessions }, id) => sessions.revoke(id, 'test')],
    ['the policies no longer let them in', ({ gate }) => gate.setRules(rules({ email: 'x@x.x' }))],
    [
      'their claims change',
      async ({ sessions }, id) => sessions.refresh(id, { ...ANN, email: 'y@y.y' }, {}),
    ],
    ['the session expires', async ({ pass }) => pass(24 * 3_600_000 + 1_000)],
  ])('ends what is held when %s', async (_, change) => {
    const lab = await start();
    const { clients, sessions } = lab;
    const { secret, session } = await sessions.create(ANNS_CLIENT);
    const ann = await clients.admit(secret);
    const ended: string[] = [];
    clients.hold(ask(ann), ({ code }) => ended.push(code));
    clients.hold(ask(ann), () => ended.push('released')).release();
    await change(lab, session.id);
    await eventually(() => ended.length > 0);
    expect(ended).toEqual(['ACCESS_REVOKED']);
    expect(lab.gate.heldCount).toBe(0);
  });

  it('goes on with another session of the same person untouched', async () => {
    const { clients, sessions } = await start();
    const [one, two] = [await sessions.create(ANNS_CLIENT), await sessions.create(ANNS_CLIENT)];
    const ended: string[] = [];
    clients.hold(ask(await clients.admit(one.secret)), () => ended.push('one'));
    clients.hold(ask(await clients.admit(two.secret)), () => ended.push('two'));
    await sessions.revoke(one.session.id, 'test');
    expect(ended).toEqual(['one']);
  });
});
