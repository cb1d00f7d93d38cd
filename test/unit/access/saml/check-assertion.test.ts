import { expect, it } from '@jest/globals';

import type { Assertion } from '../../../../src/access/saml/assertion.ts';
import { checkAssertion, type Expected } from '../../../../src/access/saml/check-assertion.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

const NOW = Date.UTC(2026, 0, 1);
const SKEW_MS = 30_000;

const expected: Expected = {
  issuer: 'idp',
  audience: 'us',
  recipient: 'https://us/acs',
  requestId: '_q',
  now: NOW,
  clockSkewMs: SKEW_MS,
};

const confirmation = {
  method: 'urn:oasis:names:tc:SAML:2.0:cm:bearer',
  recipient: 'https://us/acs',
  inResponseTo: '_q',
  notBefore: undefined,
  notOnOrAfter: NOW + 60_000,
};

const good: Assertion = {
  id: '_a',
  version: '2.0',
  issueInstant: NOW,
  issuer: 'idp',
  nameId: { value: 'ann' },
  confirmations: [confirmation],
  notBefore: NOW,
  notOnOrAfter: NOW + 120_000,
  audiences: [['us', 'others']],
  unknownConditions: [],
  authentication: {
    instant: NOW,
    sessionIndex: undefined,
    sessionNotOnOrAfter: undefined,
    contextClass: undefined,
  },
  attributes: new Map(),
};

it('a good assertion is to be remembered until it can no longer be used', () => {
  expect(checkAssertion(good, expected)).toBe(NOW + 60_000 + SKEW_MS);
  const unbounded = { ...good, notOnOrAfter: undefined };
  expect(checkAssertion(unbounded, expected)).toBe(NOW + 60_000 + SKEW_MS);
});

it('one of several confirmations must hold', () => {
  const other = { ...confirmation, recipient: 'https://other/acs' };
  const both = { ...good, confirmations: [other, confirmation] };
  expect(checkAssertion(both, expected)).toBe(NOW + 60_000 + SKEW_MS);
  const none = { ...good, confirmations: [other, { ...confirmation, inResponseTo: '_x' }] };
  expect(() => checkAssertion(none, expected)).toThrow('another request');
});

const BAD: readonly [string, Partial<Assertion>][] = [
  ['another version', { version: '1.1' }],
  ['no id', { id: '' }],
  ['another issuer', { issuer: 'IDP' }],
  ['no time of issue', { issueInstant: Number.NaN }],
  ['a time of issue that is to come', { issueInstant: NOW + SKEW_MS + 1 }],
  ['nobody', { nameId: undefined }],
  ['no conditions', { audiences: undefined }],
  ['no audience', { audiences: [] }],
  ['an empty audience', { audiences: [[]] }],
  ['a second audience', { audiences: [['us'], ['others']] }],
  ['an unknown condition', { unknownConditions: ['Condition'] }],
  ['conditions that begin later', { notBefore: NOW + SKEW_MS + 1 }],
  ['conditions that begin at no time', { notBefore: Number.NaN }],
  ['conditions that are over', { notOnOrAfter: NOW - SKEW_MS }],
  ['conditions that end at no time', { notOnOrAfter: Number.NaN }],
  ['no confirmation', { confirmations: [] }],
  ['another method', { confirmations: [{ ...confirmation, method: '' }] }],
  ['another recipient', { confirmations: [{ ...confirmation, recipient: undefined }] }],
  ['another request', { confirmations: [{ ...confirmation, inResponseTo: undefined }] }],
  ['no end', { confirmations: [{ ...confirmation, notOnOrAfter: undefined }] }],
  ['an end that is no time', { confirmations: [{ ...confirmation, notOnOrAfter: Number.NaN }] }],
  ['an end that was', { confirmations: [{ ...confirmation, notOnOrAfter: NOW - SKEW_MS }] }],
  ['a beginning', { confirmations: [{ ...confirmation, notBefore: NOW + SKEW_MS + 1 }] }],
  ['nobody who authenticated', { authentication: undefined }],
];

it.each(BAD)('an assertion with %s is refused', (_, change) => {
  expect(() => checkAssertion({ ...good, ...change }, expected)).toThrow(
    expect.objectContaining({ code: 'ACCESS_SAML_REFUSED' }),
  );
});

it('an assertion that would have to be remembered for longer than a day is refused', () => {
  const end = NOW + LIMITS.samlAssertionMs - SKEW_MS;
  const until = (notOnOrAfter: number): Assertion => ({
    ...good,
    notOnOrAfter,
    confirmations: [{ ...confirmation, notOnOrAfter }],
  });
  expect(checkAssertion(until(end), expected)).toBe(NOW + LIMITS.samlAssertionMs);
  expect(() => checkAssertion(until(end + 1), expected)).toThrow('too long');
});

it('one that nobody asked for is good for as long as the limit says', () => {
  const unasked = { ...expected, requestId: undefined };
  const sent = { ...good, confirmations: [{ ...confirmation, inResponseTo: undefined }] };
  const oldest = NOW - LIMITS.samlUnsolicitedMs - SKEW_MS;
  expect(checkAssertion({ ...sent, issueInstant: oldest + 1 }, unasked)).toBeGreaterThan(NOW);
  expect(() => checkAssertion({ ...sent, issueInstant: oldest }, unasked)).toThrow('too long ago');
  expect(() => checkAssertion(good, unasked)).toThrow('another request');
});
