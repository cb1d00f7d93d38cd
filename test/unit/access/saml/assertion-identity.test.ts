import { expect, it } from '@jest/globals';

import { identityOf } from '../../../../src/access/saml/assertion-identity.ts';
import type { Assertion } from '../../../../src/access/saml/assertion.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';

function assertion(
  attributes: Record<string, string[]>,
  nameId: Assertion['nameId'] = { value: 'ann' },
  contextClass?: string,
): Assertion {
  return {
    id: '_a',
    version: '2.0',
    issueInstant: 0,
    issuer: 'idp',
    nameId,
    confirmations: [],
    notBefore: undefined,
    notOnOrAfter: undefined,
    audiences: [],
    unknownConditions: [],
    authentication: {
      instant: 0,
      sessionIndex: undefined,
      sessionNotOnOrAfter: undefined,
      contextClass,
    },
    attributes: new Map(Object.entries(attributes)),
  };
}

const WS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const MS = 'http://schemas.microsoft.com/ws/2008/06/identity/claims';

it.each([
  ['Okta', { email: ['A@x.test'], displayName: ['Ann'], groups: ['staff'] }],
  [
    'Entra ID',
    {
      [`${WS}/emailaddress`]: ['a@x.test'],
      'http://schemas.microsoft.com/identity/claims/displayname': ['Ann'],
      [`${MS}/groups`]: ['staff'],
    },
  ],
  [
    'ADFS',
    {
      [`${WS}/emailaddress`]: ['a@x.test'],
      [`${WS}/name`]: ['Ann'],
      'http://schemas.xmlsoap.org/claims/Group': ['staff'],
    },
  ],
  [
    'Shibboleth',
    {
      'urn:oid:0.9.2342.19200300.100.1.3': ['a@x.test'],
      'urn:oid:2.16.840.1.113730.3.1.241': ['Ann'],
      'urn:oid:1.3.6.1.4.1.5923.1.5.1.1': ['staff'],
    },
  ],
])('identityOf() finds what %s sends', (_, attributes: Record<string, string[]>) => {
  expect(identityOf('corp', assertion(attributes))).toEqual({
    provider: 'corp',
    subject: 'ann',
    email: 'a@x.test',
    name: 'Ann',
    groups: ['staff'],
    methods: [],
    claims: {},
  });
});

it('identityOf() reads what the configuration names, and the usual ones no more', () => {
  const attributes = {
    mail: ['a@x.test'],
    upn: ['b@x.test'],
    groups: ['g'],
    roles: ['r', 's', 'r'],
  };
  const names = { email: 'upn', groups: 'roles', name: 'absent' };
  expect(identityOf('corp', assertion(attributes), names)).toEqual({
    provider: 'corp',
    subject: 'ann',
    email: 'b@x.test',
    groups: ['r', 's'],
    methods: [],
    claims: { mail: 'a@x.test', groups: 'g' },
  });
});

it('identityOf() takes an address for a name as an e-mail, where there is no other', () => {
  const named = { value: 'Ann@X.test', format: EMAIL_FORMAT };
  expect(identityOf('corp', assertion({}, named))).toMatchObject({
    subject: 'Ann@X.test',
    email: 'ann@x.test',
  });
  expect(identityOf('corp', assertion({ mail: ['b@x.test'] }, named)).email).toBe('b@x.test');
  expect(identityOf('corp', assertion({}, named), { email: 'mail' }).email).toBeUndefined();
  expect(identityOf('corp', assertion({}, { value: 'a@x.test' })).email).toBeUndefined();
});

it.each(['a@b@evil.test', 'a', '@x.test', 'a@', 'ä@x.test', 'a@x.test\u0000', 'a b@x.test'])(
  'identityOf() takes %j for no address',
  (address) => {
    expect(identityOf('corp', assertion({ mail: [address] })).email).toBeUndefined();
  },
);

it('identityOf() says in words of RFC 8176 how somebody authenticated', () => {
  const contextClass = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport';
  const references = {
    'http://schemas.microsoft.com/claims/authnmethodsreferences': [
      'http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password',
      'http://schemas.microsoft.com/claims/multipleauthn',
      'something else',
    ],
  };
  const { methods } = identityOf('corp', assertion(references, undefined, contextClass));
  expect(methods).toEqual(['pwd', 'mfa']);
});

it('identityOf() cuts a long name and refuses an identity beyond the limit', () => {
  const named = identityOf('corp', assertion({ displayName: ['x'.repeat(1_000)] }));
  expect(named.name).toHaveLength(LIMITS.samlNameChars);
  const many = { groups: Array.from({ length: 2_000 }, (_, at) => `group-${at}`) };
  expect(() => identityOf('corp', assertion(many))).toThrow(
    expect.objectContaining({ code: 'ACCESS_SAML_IDENTITY' }),
  );
  expect(() => identityOf('corp', { ...assertion({}), nameId: undefined })).toThrow('names nobody');
});

it('identityOf() keeps an attribute with the name of an object property as a claim and no more', () => {
  const { claims } = identityOf('corp', assertion(JSON.parse('{"__proto__":["x"]}')));
  expect(Object.keys(claims)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(claims)).toBe(Object.prototype);
});
