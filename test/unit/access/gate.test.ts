import { describe, expect, it } from '@jest/globals';

import type { GateAsk } from '../../../src/access/gate.ts';
import type { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { accessCore, ANN, ANNS_BROWSER, type AccessCore } from '../../support/access-core.ts';
import { wikiRules } from '../../support/access-rules.ts';

const STAFF = wikiRules([{ action: 'allow', include: [{ group: 'staff' }] }]);
const HOUR_MS = 3_600_000;

interface HeldStream {
  readonly ends: PosternError[];
  readonly ask: GateAsk;
}

async function holdAnn(core: AccessCore): Promise<HeldStream & { readonly sessionId: string }> {
  const { session } = await core.sessions.create(ANNS_BROWSER);
  return { ...hold(core, { principal: { session } }), sessionId: session.id };
}

function hold(core: AccessCore, about: Partial<GateAsk>): HeldStream {
  const ask = { hostname: 'wiki.test', path: '/', principal: {}, address: '192.0.2.1', ...about };
  const verdict = core.gate.judge(ask);
  expect(verdict.outcome).toBe('allow');
  const ends: PosternError[] = [];
  core.gate.hold(ask, verdict, (error) => ends.push(error));
  return { ends, ask };
}

function reasons({ ends }: HeldStream): string[] {
  return ends.map(({ code, cause }) => `${code} ${cause instanceof Error ? cause.message : ''}`);
}

describe('the gate', () => {
  it('C10 what a session holds ends when it is revoked, and nothing else does', async () => {
    const core = await accessCore({ rules: STAFF });
    const held = await holdAnn(core);
    const others = await Promise.all(Array.from({ length: 50 }, async () => holdAnn(core)));
    await core.sessions.revoke(held.sessionId, 'stolen');
    expect(reasons(held)).toEqual(['ACCESS_REVOKED stolen']);
    expect(held.ends[0]?.message).not.toContain('stolen');
    await core.pass(1_000);
    expect(others.flatMap(reasons)).toEqual([]);
    expect(core.gate.heldCount).toBe(50);
    expect(held.ends).toHaveLength(1);
  });

  it('C11 what another process revoked ends within a second', async () => {
    const core = await accessCore({ rules: STAFF });
    const held = await holdAnn(core);
    await core.store.sessions.revoke(held.sessionId, 'by the CLI');
    await core.pass(1_000);
    expect(reasons(held)).toEqual(['ACCESS_REVOKED by the CLI']);
  });

  it('C12 an edited policy ends what it no longer allows, and only that', async () => {
    const core = await accessCore({ rules: STAFF });
    const held = await holdAnn(core);
    core.gate.setRules(wikiRules([{ action: 'allow', include: [{ email: 'ann@example.com' }] }]));
    expect(held.ends).toEqual([]);
    core.gate.setRules(wikiRules([{ action: 'allow', include: [{ group: 'admins' }] }]));
    expect(reasons(held)).toEqual(['ACCESS_REVOKED no-policy-matched']);
    expect(core.gate.judge(held.ask).outcome).toBe('deny');
  });

  it('O23 what a refreshed identity may no longer have ends', async () => {
    const core = await accessCore({ rules: STAFF });
    const held = await holdAnn(core);
    await core.sessions.refresh(held.sessionId, { ...ANN, groups: ['staff', 'more'] }, {});
    expect(held.ends).toEqual([]);
    await core.sessions.refresh(held.sessionId, { ...ANN, groups: [] }, {});
    expect(reasons(held)).toEqual(['ACCESS_REVOKED no-policy-matched']);
  });

  it('what a service token holds ends when it is removed', async () => {
    const rules = wikiRules([{ action: 'service-auth', include: [{ 'service-token': 'any' }] }]);
    const core = await accessCore({ rules });
    const { token, secret } = await core.store.serviceTokens.create('ci');
    await core.pass(1_000);
    const held = hold(core, {
      principal: { serviceToken: core.serviceTokens.verify(token.id, secret) },
    });
    await core.store.serviceTokens.remove('ci');
    await core.pass(1_000);
    expect(reasons(held)).toEqual(['ACCESS_REVOKED the service token was removed']);
  });

  it('what a session holds ends when it expires, or is older than the application accepts', async () => {
    const core = await accessCore({
      rules: wikiRules([{ action: 'allow', include: ['everyone'] }], {
        application: { 'session-duration': '1h' },
      }),
    });
    const held = await holdAnn(core);
    await core.pass(HOUR_MS - 1_000);
    expect(held.ends).toEqual([]);
    await core.pass(1_000);
    expect(reasons(held)).toEqual(['ACCESS_REVOKED expired']);
    expect(core.gate.judge(held.ask)).toMatchObject({
      outcome: 'sign-in',
      reason: 'sign-in-too-old',
    });
  });

  it('what was revoked between the verdict and the hold ends', async () => {
    const core = await accessCore({ rules: STAFF });
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const ask = { hostname: 'wiki.test', path: '/', principal: { session }, address: '192.0.2.1' };
    const verdict = core.gate.judge(ask);
    await core.sessions.revoke(session.id, 'stolen');
    const ends: PosternError[] = [];
    core.gate.hold(ask, verdict, (error) => ends.push(error));
    await core.pass(1_000);
    expect(reasons({ ends, ask })).toEqual(['ACCESS_REVOKED stolen']);
  });

  it('a purpose is asked for where the application wants one', async () => {
    const core = await accessCore({
      rules: wikiRules([{ action: 'allow', include: ['everyone'] }], {
        application: { 'purpose-justification': true },
      }),
    });
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const ask = { hostname: 'wiki.test', path: '/', principal: { session }, address: '192.0.2.1' };
    expect(core.gate.judge(ask)).toMatchObject({ outcome: 'sign-in', reason: 'purpose-missing' });
    expect(core.gate.judge({ ...ask, purpose: 'to read' }).outcome).toBe('allow');
  });

  it('hostnames are remembered up to LIMITS.hostnamesKnown, and forgotten when rules change', async () => {
    const core = await accessCore({ rules: STAFF });
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const ask = { path: '/', principal: { session }, address: '192.0.2.1' };
    for (let at = 0; at <= LIMITS.hostnamesKnown; at += 1) {
      expect(core.gate.judge({ ...ask, hostname: `h${at}.test` }).reason).toBe('no-application');
    }
    expect(core.gate.judge({ ...ask, hostname: 'wiki.test' }).outcome).toBe('allow');
    core.gate.setRules(wikiRules([]));
    expect(core.gate.judge({ ...ask, hostname: 'wiki.test' }).outcome).toBe('deny');
  });

  it('what is released is told nothing', async () => {
    const core = await accessCore({ rules: STAFF });
    const { session } = await core.sessions.create(ANNS_BROWSER);
    const ask = { hostname: 'wiki.test', path: '/', principal: { session }, address: '192.0.2.1' };
    const ends: PosternError[] = [];
    const held = core.gate.hold(ask, core.gate.judge(ask), (error) => ends.push(error));
    held.release();
    held.release();
    await core.sessions.revoke(session.id, 'over');
    await core.pass(1_000);
    expect(ends).toEqual([]);
    expect(core.gate.heldCount).toBe(0);
  });
});
