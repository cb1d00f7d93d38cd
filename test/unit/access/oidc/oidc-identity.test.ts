import { expect, it } from '@jest/globals';

import { oidcIdentity, type ClaimRules } from '../../../../src/access/oidc/oidc-identity.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const RULES: ClaimRules = {
  id: 'corp',
  groupsClaim: 'groups',
  claims: [],
  emailVerification: 'required',
};

function emailOf(claims: object, userInfo?: object, rules = RULES): string | undefined {
  return oidcIdentity(rules, { sub: 'u', ...claims }, { ...userInfo })?.email;
}

it('O22 takes an address over only when the provider says that it is verified', () => {
  expect(emailOf({ email: 'ann@example.com', email_verified: true })).toBe('ann@example.com');
  for (const verified of [false, 'false', undefined, 1, null]) {
    expect(emailOf({ email: 'ann@example.com', email_verified: verified })).toBeUndefined();
  }
  const trusting = { ...RULES, emailVerification: 'trust-unverified' } as const;
  expect(emailOf({ email: 'ann@example.com' }, {}, trusting)).toBe('ann@example.com');
});

it('O22 does not take one source for the word of another', () => {
  const verified = { email: 'ann@example.com', email_verified: true };
  expect(emailOf(verified, { email: 'root@example.com' })).toBeUndefined();
  expect(emailOf(verified, { email: 'ann@example.com' })).toBe('ann@example.com');
  expect(emailOf({ email: 'root@example.com' }, verified)).toBe('ann@example.com');
});

it('O22 knows addresses in one form, and what is not plainly one is none', () => {
  expect(emailOf({ email: 'Ann@Example.COM', email_verified: true })).toBe('ann@example.com');
  const wrong = [
    'a@b@evil.com',
    '"a@example.com"@evil.com',
    'ann@exаmple.com',
    'ann@example.com\n',
    ' ann@example.com',
    'ann@example.com,root@example.com',
    'ann@',
    '@example.com',
    'ann',
    'ann@example..com',
    `${'a'.repeat(250)}@example.com`,
    7,
    ['ann@example.com'],
  ];
  for (const email of wrong) {
    expect([email, emailOf({ email, email_verified: true })]).toEqual([email, undefined]);
  }
});

it('reads groups and claims from inside other claims, by dots', () => {
  const rules = { ...RULES, groupsClaim: 'realm_access.roles', claims: ['org.team', 'toString'] };
  const identity = oidcIdentity(rules, {
    sub: 'u',
    realm_access: { roles: ['admin'] },
    org: { team: 'it' },
  });
  expect(identity?.groups).toEqual(['admin']);
  expect(identity?.claims).toEqual({ 'org.team': 'it' });
});

it('reads groups from the claim that is configured, as a list or a text', () => {
  const rules = { ...RULES, groupsClaim: 'https://example.com/roles' };
  const groups = (value: unknown) =>
    oidcIdentity(rules, { sub: 'u', 'https://example.com/roles': value })?.groups;
  expect(groups(['a', 'b', 'a', 7, ''])).toEqual(['a', 'b']);
  expect(groups('staff')).toEqual(['staff']);
  expect(groups({ a: 1 })).toEqual([]);
});

it('makes no identity without a subject, or beyond the limit', () => {
  expect(oidcIdentity(RULES, {})).toBeUndefined();
  expect(oidcIdentity(RULES, { sub: '' })).toBeUndefined();
  const many = Array.from({ length: LIMITS.identityBytes / 8 }, (_, at) => `group-${at}`);
  expect(oidcIdentity(RULES, { sub: 'u', groups: many })).toBeUndefined();
});

it('keeps the claims that are asked for, and no others', () => {
  const rules = { ...RULES, claims: ['department', 'level', 'absent'] };
  const identity = oidcIdentity(rules, { sub: 'u', department: 'it', secret: 'x' }, { level: 3 });
  expect(identity?.claims).toEqual({ department: 'it', level: 3 });
});
