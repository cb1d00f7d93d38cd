/** The gate as clients meet it, with the real gate, keys and tokens behind it. */
import { describe, expect, it } from '@jest/globals';
import { compactVerify, EmbeddedJWK } from 'jose';
import { ClientGate } from '../../../../src/access/client-sign-in/client-gate.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { accessCore, ANNS_BROWSER } from '../../../support/access-core.ts';
import { accessRules } from '../../../support/access-rules.ts';

const RULES = accessRules({
  applications: [
    {
      name: 'wiki',
      hostname: 'wiki.postern.test',
      'session-duration': '30m',
      policies: [{ action: 'allow', include: [{ group: 'staff' }] }],
    },
    {
      name: 'chat',
      hostname: 'chat.postern.test',
      'purpose-justification': true,
      policies: [{ action: 'allow', include: [{ group: 'staff' }] }],
    },
    {
      name: 'open',
      hostname: 'open.postern.test',
      policies: [{ action: 'bypass', include: ['everyone'] }],
    },
  ],
});

async function start() {
  const core = await accessCore({ rules: RULES });
  const { session } = await core.sessions.create({ ...ANNS_BROWSER, kind: 'client' });
  const gate = new ClientGate({ ...core, keys: core.keys });
  const ask = (name: string, more: object = {}) => ({
    hostname: `${name}.postern.test`,
    path: '',
    address: '192.0.2.1',
    ...more,
  });
  return { core, session, gate, ask };
}

describe('ClientGate', () => {
  it('tells what somebody unknown, and somebody who is signed in, may do', async () => {
    const { gate, ask, session } = await start();
    const names = ['wiki', 'chat', 'open', 'other'];
    expect(names.map((name) => gate.judge(ask(name)))).toEqual([
      'sign-in',
      'sign-in',
      'open',
      'deny',
    ]);
    expect(names.map((name) => gate.judge(ask(name, { session })))).toEqual([
      'allow',
      'purpose',
      'open',
      'deny',
    ]);
    expect(gate.judge(ask('chat', { session, purpose: 'to fix it' }))).toBe('allow');
  });

  it('mints a token of one application, for an hour and no longer than that accepts', async () => {
    const { core, gate, ask, session } = await start();
    const now = core.clock.wall();
    const wiki = await gate.mint({ ...ask('wiki'), session });
    expect(wiki).toMatchObject({ application: 'wiki', expiresAt: now + 30 * 60_000 });
    const chat = await gate.mint({ ...ask('chat'), session, purpose: 'to fix it' });
    expect(chat).toMatchObject({ application: 'chat', expiresAt: now + LIMITS.clientAppTokenMs });
    expect(await core.tokens.verify(wiki.token, 'wiki')).toMatchObject({ sessionId: session.id });
    expect(await core.tokens.verify(wiki.token, 'chat')).toBeUndefined();
    expect(await core.tokens.verify(chat.token, 'chat')).toMatchObject({ purpose: 'to fix it' });
  });

  it('signs proofs that name their key, which is one of its keys', async () => {
    const { core, gate } = await start();
    const keys = await gate.thumbprints();
    const claims = { iss: 'https://auth.postern.test', nonce: 'n', host: 'h', keys };
    const proof = await gate.sign(claims);
    const { payload, protectedHeader } = await compactVerify(proof, EmbeddedJWK);
    const said: unknown = JSON.parse(Buffer.from(payload).toString());
    expect(said).toEqual({ ...claims, iat: Math.floor(core.clock.wall() / 1000) });
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'postern-proof+jwt' });
    expect(protectedHeader.jwk).not.toHaveProperty('d');
    // A proof is no token of an application.
    expect(await core.tokens.verify(proof, 'wiki')).toBeUndefined();
    expect(gate.applicationAt('wiki.postern.test')).toBe('wiki');
    expect(gate.applicationAt('other.postern.test')).toBeUndefined();
  });
});
