/**
 * What is decided, as a truth table: every combination of include, require and exclude, for every action, for somebody
 * who matches, somebody who does not, nobody, and machines. The expectations are written out, not computed.
 */
import { describe, expect, it } from '@jest/globals';
import { decide } from '../../../../src/access/policy/decide.ts';
import type { PolicyContext } from '../../../../src/access/policy/policy-context.ts';
import { accessRules, somebody, wikiRules } from '../../../support/access-rules.ts';

const NOBODY: PolicyContext = { now: 0 };
const MEMBER: PolicyContext = { now: 0, identity: somebody({ groups: ['a', 'b', 'c'] }) };
const STRANGER: PolicyContext = { now: 0, identity: somebody() };
const TOKEN: PolicyContext = { now: 0, serviceToken: { id: '1', name: 'backup' } };
const CERTIFICATE: PolicyContext = {
  now: 0,
  clientCertificate: { commonName: 'printer', fingerprint: 'ab'.repeat(32), names: [] },
};

const ASK = { hostname: 'wiki.test', path: '/' };

function outcome(policies: readonly object[], context: PolicyContext): string {
  return decide(wikiRules(policies), ASK, context).outcome;
}

/** Conditions that are met, missed, or about a person: `a`, `b` and `c` are groups that MEMBER is in and STRANGER is not. */
const ALWAYS = 'everyone';
const NEVER = { ip: '192.0.2.1' };
const [A, B, C] = [{ group: 'a' }, { group: 'b' }, { group: 'c' }];

type Answer = 'allow' | 'deny' | 'sign-in';

/** `+` allow, `-` deny, `?` sign-in; for member, stranger, nobody, token, certificate. */
const ANSWERS: Readonly<Record<string, Answer>> = { '+': 'allow', '-': 'deny', '?': 'sign-in' };

interface Row {
  readonly include: unknown;
  readonly require?: unknown;
  readonly exclude?: unknown;
  readonly allow: string;
  readonly 'service-auth': string;
  readonly bypass: string;
  /** Of a deny with `allow everyone` behind it. */
  readonly deny: string;
}

const TABLE: readonly Row[] = [
  // include alone
  { include: ALWAYS, allow: '++?-?', 'service-auth': '---++', bypass: '+++++', deny: '-----' },
  { include: NEVER, allow: '-----', 'service-auth': '-----', bypass: '-----', deny: '++?-?' },
  { include: A, allow: '+-?-?', 'service-auth': '----?', bypass: '+-?-?', deny: '-+?-?' },
  // require
  {
    include: ALWAYS,
    require: ALWAYS,
    allow: '++?-?',
    'service-auth': '---++',
    bypass: '+++++',
    deny: '-----',
  },
  {
    include: ALWAYS,
    require: NEVER,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: B,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: NEVER,
    require: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: NEVER,
    require: NEVER,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: NEVER,
    require: B,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    require: ALWAYS,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: A,
    require: NEVER,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    require: B,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  // exclude
  {
    include: ALWAYS,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    exclude: NEVER,
    allow: '++?-?',
    'service-auth': '---++',
    bypass: '+++++',
    deny: '-----',
  },
  {
    include: ALWAYS,
    exclude: C,
    allow: '-+?-?',
    'service-auth': '---+?',
    bypass: '-+?+?',
    deny: '+-?-?',
  },
  {
    include: NEVER,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: NEVER,
    exclude: NEVER,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: NEVER,
    exclude: C,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    exclude: NEVER,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: A,
    exclude: C,
    allow: '--?-?',
    'service-auth': '----?',
    bypass: '--?-?',
    deny: '++?-?',
  },
  // require and exclude
  {
    include: ALWAYS,
    require: ALWAYS,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: ALWAYS,
    exclude: NEVER,
    allow: '++?-?',
    'service-auth': '---++',
    bypass: '+++++',
    deny: '-----',
  },
  {
    include: ALWAYS,
    require: ALWAYS,
    exclude: C,
    allow: '-+?-?',
    'service-auth': '---+?',
    bypass: '-+?+?',
    deny: '+-?-?',
  },
  {
    include: ALWAYS,
    require: NEVER,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: NEVER,
    exclude: NEVER,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: NEVER,
    exclude: C,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: B,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: ALWAYS,
    require: B,
    exclude: NEVER,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: ALWAYS,
    require: B,
    exclude: C,
    allow: '--?-?',
    'service-auth': '----?',
    bypass: '--?-?',
    deny: '++?-?',
  },
  {
    include: A,
    require: ALWAYS,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    require: ALWAYS,
    exclude: NEVER,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: A,
    require: ALWAYS,
    exclude: C,
    allow: '--?-?',
    'service-auth': '----?',
    bypass: '--?-?',
    deny: '++?-?',
  },
  {
    include: A,
    require: NEVER,
    exclude: C,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    require: B,
    exclude: ALWAYS,
    allow: '-----',
    'service-auth': '-----',
    bypass: '-----',
    deny: '++?-?',
  },
  {
    include: A,
    require: B,
    exclude: NEVER,
    allow: '+-?-?',
    'service-auth': '----?',
    bypass: '+-?-?',
    deny: '-+?-?',
  },
  {
    include: A,
    require: B,
    exclude: C,
    allow: '--?-?',
    'service-auth': '----?',
    bypass: '--?-?',
    deny: '++?-?',
  },
];

const WHO = [
  ['member', MEMBER],
  ['stranger', STRANGER],
  ['nobody', NOBODY],
  ['token', TOKEN],
  ['certificate', CERTIFICATE],
] as const;

describe('the truth table', () => {
  const cases = TABLE.flatMap((row) =>
    (['allow', 'service-auth', 'bypass', 'deny'] as const).map((action) => {
      const { include, require, exclude } = row;
      return { action, include, require, exclude, answers: row[action] };
    }),
  );

  it.each(cases)(
    '$action, include $include, require $require, exclude $exclude: $answers',
    ({ action, include, require, exclude, answers }) => {
      const policy = {
        action,
        include: [include],
        ...(require !== undefined && { require: [require] }),
        ...(exclude !== undefined && { exclude: [exclude] }),
      };
      const behind = action === 'deny' ? [{ action: 'allow', include: ['everyone'] }] : [];
      const found = WHO.map(([, context]) => outcome([policy, ...behind], context));
      expect(found).toEqual(Array.from(answers, (sign) => ANSWERS[sign]));
    },
  );
});

const allow = (...include: unknown[]) => ({ action: 'allow', include });
const deny = (...include: unknown[]) => ({ action: 'deny', include });
const bypass = (...include: unknown[]) => ({ action: 'bypass', include });
const service = (...include: unknown[]) => ({ action: 'service-auth', include });

describe('include', () => {
  it('is met by any of its conditions, require by all, exclude by none', () => {
    expect(outcome([allow(NEVER, A)], MEMBER)).toBe('allow');
    expect(outcome([{ ...allow(ALWAYS), require: [A, NEVER] }], MEMBER)).toBe('deny');
    expect(outcome([{ ...allow(ALWAYS), require: [A, B] }], MEMBER)).toBe('allow');
    expect(outcome([{ ...allow(ALWAYS), exclude: [NEVER, { group: 'x' }] }], MEMBER)).toBe('allow');
    expect(outcome([{ ...allow(ALWAYS), exclude: [NEVER, C] }], MEMBER)).toBe('deny');
  });
});

describe('several policies', () => {
  it.each([
    ['the first that matches decides', [allow(A), deny(ALWAYS)], '+-?-'],
    ['… also when it denies', [deny(A), allow(ALWAYS)], '-+?-'],
    [
      'a bypass behind an allow is for those who do not sign in',
      [allow(A), bypass(ALWAYS)],
      '++++',
    ],
    ['… also when the allow is for everyone', [allow(ALWAYS), bypass(ALWAYS)], '++++'],
    ['a bypass behind a deny that might match', [deny(A), bypass(ALWAYS)], '-+?+'],
    ['a bypass behind a deny that does match', [deny(ALWAYS), bypass(ALWAYS)], '----'],
    ['a bypass in front', [bypass(ALWAYS), deny(ALWAYS)], '++++'],
    ['a deny that might match and nothing else', [deny(A)], '----'],
    ['two allows', [allow(A), allow(B)], '+-?-'],
    [
      'a deny between an allow that might match and one for everyone',
      [allow(A), deny(ALWAYS), allow(ALWAYS)],
      '+-?-',
    ],
    [
      'machines are not kept out by an allow',
      [allow(ALWAYS), service({ 'service-token': 'any' })],
      '++?+',
    ],
    ['machines are not kept out by a deny about people', [deny(A), service(ALWAYS)], '---+'],
    ['nothing', [], '----'],
  ])('%s', (_, policies, answers) => {
    const found = [MEMBER, STRANGER, NOBODY, TOKEN].map((context) => outcome(policies, context));
    expect(found).toEqual(Array.from(answers, (sign) => ANSWERS[sign]));
  });

  it('a machine with a certificate gets in behind an allow for people', () => {
    const policies = [
      allow(ALWAYS),
      service({ 'client-certificate': { 'common-name': 'printer' } }),
    ];
    expect(outcome(policies, CERTIFICATE)).toBe('allow');
  });

  it('a machine with a certificate may still be a person who is kept out', () => {
    expect(outcome([deny(A), service({ 'client-certificate': 'any' })], CERTIFICATE)).toBe(
      'sign-in',
    );
  });
});

describe('a decision', () => {
  const named = (policy: object, name: string) => ({ ...policy, name });

  it('says by what right, and by which policy', () => {
    const rules = wikiRules([
      named(bypass({ ip: '192.0.2.1' }), 'office'),
      named(service({ 'service-token': 'backup' }), 'machines'),
      named(allow(A), 'staff'),
      named(deny({ group: 'x' }), 'blocked'),
    ]);
    const about = (context: PolicyContext) => {
      const { outcome: answer, by, reason, policy, application } = decide(rules, ASK, context);
      expect(application?.name).toBe('wiki');
      return [answer, by, reason, policy?.name];
    };
    const address = '192.0.2.1';
    expect(about({ now: 0, address })).toEqual(['allow', 'bypass', 'allowed-by-policy', 'office']);
    expect(about(TOKEN)).toEqual(['allow', 'service', 'allowed-by-policy', 'machines']);
    expect(about(MEMBER)).toEqual(['allow', 'user', 'allowed-by-policy', 'staff']);
    const blocked = { now: 0, identity: somebody({ groups: ['x'] }) };
    expect(about(blocked)).toEqual(['deny', 'none', 'denied-by-policy', 'blocked']);
    expect(about(STRANGER)).toEqual(['deny', 'none', 'no-policy-matched', undefined]);
    expect(about(NOBODY)).toEqual(['sign-in', 'none', 'not-signed-in', 'staff']);
  });

  it('asks people why where the policy or the application wants it, and nobody else', () => {
    const ask = { 'purpose-justification': true };
    const purpose = (policy: object, application: object, context: PolicyContext): boolean =>
      decide(wikiRules([policy], { application }), ASK, context).needsPurpose;
    expect(purpose(allow(ALWAYS), {}, MEMBER)).toBe(false);
    expect(purpose(allow(ALWAYS), ask, MEMBER)).toBe(true);
    expect(purpose({ ...allow(ALWAYS), ...ask }, {}, MEMBER)).toBe(true);
    const never = { 'purpose-justification': false };
    expect(purpose({ ...allow(ALWAYS), ...never }, ask, MEMBER)).toBe(false);
    expect(purpose(bypass(ALWAYS), ask, MEMBER)).toBe(false);
    expect(purpose(service(ALWAYS), ask, TOKEN)).toBe(false);
    expect(purpose(allow(A), ask, STRANGER)).toBe(false);
    expect(purpose(allow(A), ask, NOBODY)).toBe(false);
  });

  it('without an application is no, but where default-policy is public', () => {
    const rules = accessRules({ applications: [] });
    const ask = { hostname: 'x.test', path: '/' };
    expect(decide(rules, ask, MEMBER)).toMatchObject({ outcome: 'deny', reason: 'no-application' });
    expect(decide({ ...rules, defaultPolicy: 'public' }, ask, NOBODY)).toMatchObject({
      outcome: 'allow',
      by: 'bypass',
      reason: 'default-policy',
    });
  });

  it('about a hostname that an application covers is never left to default-policy', () => {
    const rules = { ...wikiRules([]), defaultPolicy: 'public' as const };
    expect(decide(rules, ASK, NOBODY).outcome).toBe('deny');
  });

  it('P21 about a path that can be read in several ways is no, where paths matter', () => {
    const applications = [
      { name: 'wiki', hostname: 'wiki.test', policies: [bypass('everyone')] },
      { name: 'admin', hostname: 'wiki.test', path: '/admin', policies: [allow(A)] },
    ];
    const rules = { ...accessRules({ applications }), defaultPolicy: 'public' as const };
    for (const path of ['//admin', '/%61dmin', '/x/../admin', '/admin;x', '/admin%00', '', '*']) {
      expect(decide(rules, { hostname: 'wiki.test', path }, MEMBER)).toMatchObject({
        outcome: 'deny',
        reason: 'path-not-canonical',
      });
    }
    expect(decide(rules, { hostname: 'wiki.test', path: '/admin' }, STRANGER).outcome).toBe('deny');
    expect(decide(rules, { hostname: 'wiki.test', path: '/x' }, STRANGER).outcome).toBe('allow');
  });
});
