/** What must be so of every set of policies, whatever is in it and whoever asks. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decide, type AccessRules, type Ask } from '../../../../src/access/policy/decide.ts';
import { explain } from '../../../../src/access/policy/explain.ts';
import type { PolicyContext } from '../../../../src/access/policy/policy-context.ts';
import type { AccessGroup } from '../../../../src/config/access/access-group.ts';
import type { Application } from '../../../../src/config/access/application.ts';
import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import type { Policy } from '../../../../src/config/access/policy.ts';
import type { Selector } from '../../../../src/config/access/selector.ts';
import { somebody } from '../../../support/access-rules.ts';
import { fuzzOptions } from '../../../fuzz/fuzz-runs.ts';

const OPTIONS = fuzzOptions(2_000);

const ADDRESSES = ['192.0.2.1', '198.51.100.1', '2001:db8::1'] as const;

/** Few values, so that conditions are met often. */
const plainSelector: fc.Arbitrary<Selector> = fc.oneof(
  fc.constantFrom<Selector>({ kind: 'everyone' }, { kind: 'any-identity' }),
  fc.constantFrom('a', 'b').map((value) => ({ kind: 'group', value }) as const),
  fc.constantFrom<Selector>(
    { kind: 'email', value: 'ann@example.com' },
    { kind: 'email-domain', value: 'example.com' },
    { kind: 'claim', name: 'team', value: 'it' },
    { kind: 'provider', value: 'corp' },
    { kind: 'method', value: 'mfa' },
    { kind: 'country', countries: ['DE'] },
    { kind: 'service-token', value: 'any' },
    { kind: 'service-token', value: 'backup' },
    { kind: 'client-certificate', match: { field: 'any' } },
  ),
  fc
    .constantFrom('192.0.2.0/24', '0.0.0.0/0', '::/0')
    .map((text) => ({ kind: 'ip', ranges: [parseIpRange(text)] }) as const),
);

const selector: fc.Arbitrary<Selector> = fc.oneof(
  { weight: 5, arbitrary: plainSelector },
  fc.constantFrom('g', 'h').map((value) => ({ kind: 'access-group', value }) as const),
);

function conditions(of: fc.Arbitrary<Selector>) {
  return {
    include: fc.array(of, { minLength: 1, maxLength: 3 }),
    require: fc.array(of, { maxLength: 2 }),
    exclude: fc.array(of, { maxLength: 2 }),
  };
}

const policyOf = (actions: readonly Policy['action'][]): fc.Arbitrary<Policy> =>
  fc.record({
    name: fc.constant('p'),
    action: fc.constantFrom(...actions),
    ...conditions(selector),
  });

const ACTIONS = ['allow', 'deny', 'bypass', 'service-auth'] as const;

/** `h` may name `g`, and neither itself. */
const groups: fc.Arbitrary<AccessGroup[]> = fc
  .tuple(fc.record(conditions(plainSelector)), fc.record(conditions(plainSelector)), fc.boolean())
  .map(([g, h, isNested]) => [
    { name: 'g', ...g },
    { name: 'h', ...h, ...(isNested && { require: [{ kind: 'access-group', value: 'g' }] }) },
  ]);

const maybe = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
  fc.constantFrom(undefined, ...values);

const around = {
  now: fc.constant(0),
  address: maybe(ADDRESSES),
  country: maybe(['DE', 'FR']),
  clientCertificate: maybe([{ commonName: 'x', fingerprint: '', names: [] }]),
};

const person = fc
  .record({
    groups: fc.subarray(['a', 'b']),
    methods: fc.subarray(['pwd', 'mfa']),
    provider: fc.constantFrom('corp', 'other'),
    email: fc.constantFrom('ann@example.com', 'bob@example.com', 'eve@evil.test', ''),
    claims: fc.constantFrom({}, { team: 'it' }),
  })
  .map(somebody);

const token = fc.constantFrom({ id: '1', name: 'backup' }, { id: '2', name: 'other' });

/** Somebody of whom everything is known. */
const known: fc.Arbitrary<PolicyContext> = fc.oneof(
  fc.record({ ...around, identity: person }),
  fc.record({ ...around, serviceToken: token }),
  fc.record({ ...around, identity: person, serviceToken: token }),
);

const nobody: fc.Arbitrary<PolicyContext> = fc.record(around);

const anybody = fc.oneof(known, nobody);

const policies = fc.array(policyOf(ACTIONS), { maxLength: 5 });

const ASK: Ask = { hostname: 'wiki.test', path: '/' };

function rulesOf(list: readonly Policy[], groupList: readonly AccessGroup[]): AccessRules {
  const application: Application = {
    name: 'wiki',
    hostname: { kind: 'exact', text: 'wiki.test', hostname: 'wiki.test' },
    path: '/',
    sessionDurationMs: 0,
    detachedTimeoutMs: 0,
    purposeJustification: false,
    policies: list,
    tests: [],
    index: 0,
  };
  return { applications: [application], groups: groupList, defaultPolicy: 'deny' };
}

function isIn(rules: AccessRules, context: PolicyContext): boolean {
  return decide(rules, ASK, context).outcome === 'allow';
}

describe('whatever the policies are', () => {
  it.each(['exclude', 'require'] as const)('one more %s never lets anyone in', (list) => {
    // A deny is the other way round: an exclude narrows it.
    const opening = policyOf(['allow', 'bypass', 'service-auth']);
    fc.assert(
      fc.property(
        policies,
        opening,
        policies,
        selector,
        groups,
        anybody,
        (before, policy, after, more, groupList, context) => {
          const narrower = { ...policy, [list]: [...policy[list], more] };
          if (isIn(rulesOf([...before, narrower, ...after], groupList), context)) {
            expect(isIn(rulesOf([...before, policy, ...after], groupList), context)).toBe(true);
          }
        },
      ),
      OPTIONS,
    );
  });

  it('one less exclude or require of a deny never lets anyone in', () => {
    fc.assert(
      fc.property(
        policies,
        policyOf(['deny']),
        policies,
        groups,
        anybody,
        (before, policy, after, groupList, context) => {
          const wider = { ...policy, exclude: policy.exclude.slice(1), require: [] };
          if (isIn(rulesOf([...before, wider, ...after], groupList), context)) {
            expect(isIn(rulesOf([...before, policy, ...after], groupList), context)).toBe(true);
          }
        },
      ),
      OPTIONS,
    );
  });

  it('a deny put in front never lets anyone in', () => {
    fc.assert(
      fc.property(
        policyOf(['deny']),
        policies,
        groups,
        anybody,
        (deny, list, groupList, context) => {
          if (isIn(rulesOf([deny, ...list], groupList), context)) {
            expect(isIn(rulesOf(list, groupList), context)).toBe(true);
          }
        },
      ),
      OPTIONS,
    );
  });

  it('a policy put at the end never keeps anyone out', () => {
    fc.assert(
      fc.property(
        policies,
        policyOf(ACTIONS),
        groups,
        anybody,
        (list, last, groupList, context) => {
          if (isIn(rulesOf(list, groupList), context)) {
            expect(isIn(rulesOf([...list, last], groupList), context)).toBe(true);
          }
        },
      ),
      OPTIONS,
    );
  });

  it('sign-in is never answered to somebody who is signed in, or to a service token', () => {
    fc.assert(
      fc.property(policies, groups, known, (list, groupList, context) => {
        expect(decide(rulesOf(list, groupList), ASK, context).outcome).not.toBe('sign-in');
      }),
      OPTIONS,
    );
  });

  it('whoever gets in without a sign-in gets in with one as well, whoever they are', () => {
    fc.assert(
      fc.property(policies, groups, nobody, person, (list, groupList, context, identity) => {
        const rules = rulesOf(list, groupList);
        if (isIn(rules, context)) expect(isIn(rules, { ...context, identity })).toBe(true);
      }),
      OPTIONS,
    );
  });

  it('refused means refused: somebody to whom no sign-in is offered does not get in by one', () => {
    fc.assert(
      fc.property(policies, groups, nobody, person, (list, groupList, context, identity) => {
        const rules = rulesOf(list, groupList);
        if (decide(rules, ASK, context).outcome !== 'deny') return;
        expect(isIn(rules, { ...context, identity })).toBe(false);
      }),
      OPTIONS,
    );
  });

  it('allow is for people and service-auth for machines', () => {
    fc.assert(
      fc.property(policies, groups, anybody, (list, groupList, context) => {
        const { by, outcome } = decide(rulesOf(list, groupList), ASK, context);
        if (by === 'user') expect(context.identity).toBeDefined();
        if (by === 'service') {
          expect(context.serviceToken ?? context.clientCertificate).toBeDefined();
        }
        expect(by === 'none').toBe(outcome !== 'allow');
      }),
      OPTIONS,
    );
  });

  it('an explanation says what is decided, and the policy that decided is the first that matches', () => {
    fc.assert(
      fc.property(policies, groups, anybody, (list, groupList, context) => {
        const rules = rulesOf(list, groupList);
        const { decision, policies: explained } = explain(rules, ASK, context);
        expect(decision).toEqual(decide(rules, ASK, context));
        expect(explained).toHaveLength(list.length);
        const first = explained.findIndex(({ result }) => result === 'hit');
        if (decision.outcome === 'allow') expect(decision.policy).toBe(list[first]);
        if (decision.reason === 'denied-by-policy') expect(decision.policy).toBe(list[first]);
        if (decision.reason === 'no-policy-matched') expect(first).toBe(-1);
      }),
      OPTIONS,
    );
  });
});
