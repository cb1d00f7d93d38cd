import { describe, expect, it } from '@jest/globals';

import type { Verdict } from '../../../../src/access/gate.ts';
import type { Identity } from '../../../../src/access/identity.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { IdentityHeaders } from '../../../../src/gateway/access/identity-headers.ts';
import { accessCore, ANN, ANNS_BROWSER, type AccessCore } from '../../../support/access-core.ts';
import { wikiRules } from '../../../support/access-rules.ts';

const EVERYBODY = wikiRules([{ action: 'allow', include: ['everyone'] }]);

async function verdictFor(core: AccessCore, identity: Identity = ANN): Promise<Verdict> {
  const { session } = await core.sessions.create({ ...ANNS_BROWSER, identity });
  return core.gate.judge({
    hostname: 'wiki.test',
    path: '/',
    principal: { session },
    address: '192.0.2.1',
  });
}

function asMap(headers: readonly string[]): Map<string, string> {
  return new Map(
    headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : [])),
  );
}

describe('identity headers', () => {
  it('are made once for some minutes, and anew for a refreshed session', async () => {
    const core = await accessCore({ rules: EVERYBODY });
    const headers = new IdentityHeaders(core.tokens, core.clock);
    const verdict = await verdictFor(core);
    const first = await headers.of(verdict);
    expect(headers.of(verdict)).toBe(first);
    const session = {
      ...ANNS_BROWSER,
      ...verdict.principal.session,
    } as Verdict['principal']['session'];
    const refreshed = { ...verdict, principal: { session } };
    expect(await headers.of(refreshed)).not.toBe(first);
    await core.pass(LIMITS.assertionMs / 2);
    expect(await headers.of(refreshed)).not.toEqual(first);
  });

  it('hold nothing that a header cannot, whatever a provider says', async () => {
    const core = await accessCore({ rules: EVERYBODY });
    const headers = new IdentityHeaders(core.tokens, core.clock);
    const groups = ['a,b', '50%', 'käse', 'x\r\nSet-Cookie: y', '\ud800'];
    const made = asMap(
      await headers.of(await verdictFor(core, { ...ANN, subject: 'ü\n', groups })),
    );
    expect(made.get('Postern-Access-User')).toBe('%C3%BC%0A');
    const list = made.get('Postern-Access-Groups') ?? '';
    expect(list.split(',').slice(0, 4)).toEqual([
      'a%2Cb',
      '50%25',
      'k%C3%A4se',
      'x%0D%0ASet-Cookie: y',
    ]);
    expect([...made.values()].every((value) => /^[\u0020-\u007e]*$/.test(value))).toBe(true);
  });

  it('leave out a list of groups that is too long for one', async () => {
    const core = await accessCore({ rules: EVERYBODY });
    const headers = new IdentityHeaders(core.tokens, core.clock);
    const groups = Array.from({ length: 200 }, (_, at) => `group of people number ${at}`);
    const made = asMap(await headers.of(await verdictFor(core, { ...ANN, groups })));
    expect(made.has('Postern-Access-Groups')).toBe(false);
    expect(made.has('Postern-Access-Jwt-Assertion')).toBe(true);
  });

  it('are none for a bypass', async () => {
    const rules = wikiRules([{ action: 'bypass', include: ['everyone'] }]);
    const core = await accessCore({ rules });
    const headers = new IdentityHeaders(core.tokens, core.clock);
    expect(headers.of(await verdictFor(core))).toEqual([]);
  });
});
