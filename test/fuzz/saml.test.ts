/** Signed responses, changed anywhere in any way: the one who was signed for, or a refusal with a code, and nothing else. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';

import { verifyResponse, type ResponseRules } from '../../src/access/saml/verify-response.ts';
import { readPosted, readRedirected } from '../../src/access/saml/logout-message.ts';
import { codeOf } from '../../src/core/error.ts';
import { HostileIdp, idpKey, type Ask } from '../support/hostile-idp.ts';
import { fuzzOptions } from './fuzz-runs.ts';

const NOW = Date.UTC(2026, 0, 1);
const idp = new HostileIdp(await idpKey());
const ask: Ask = {
  id: '_q',
  acs: 'https://us/acs',
  audience: 'us',
  relayState: '',
  search: '',
  xml: '',
};
const rules: ResponseRules = {
  certificates: [idp.own.certificate],
  decryptionKeys: [idp.own.key],
  wantSigned: 'assertion',
  encryptedAssertions: 'allow',
};
const expected = {
  issuer: idp.entityId,
  audience: 'us',
  recipient: 'https://us/acs',
  requestId: '_q',
  now: NOW,
  clockSkewMs: 0,
};
const logout = {
  certificates: rules.certificates,
  issuer: idp.entityId,
  destination: 'https://us/slo',
  now: NOW,
  clockSkewMs: 0,
};

/** What is put in the place of something else: what readers of XML stumble over, and pieces of the message itself. */
const PIECES = [
  '',
  ' ',
  '\u0000',
  '<!---->',
  '<![CDATA[',
  ']]>',
  '&lt;',
  '&#x3c;',
  '"',
  "'",
  '>',
  '</',
  '<a>',
  '</a>',
];
const PIECES_OF_NAMES = [
  'mallory',
  'xmlns="urn:x" ',
  'ID="_q" ',
  '<saml:Assertion/>',
  '\u0301',
  '\uFEFF',
];

const changes = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(400)),
    piece: fc.oneof(
      fc.constantFrom(...PIECES, ...PIECES_OF_NAMES),
      fc.record({ from: fc.double({ min: 0, max: 1, noNaN: true }), size: fc.nat(900) }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

type Changes = typeof changes extends fc.Arbitrary<infer Value> ? Value : never;

function apply(text: string, list: Changes): string {
  return list.reduce((changed, { at, length, piece }) => {
    const start = Math.floor(at * changed.length);
    const from = typeof piece === 'string' ? 0 : Math.floor(piece.from * text.length);
    const inserted = typeof piece === 'string' ? piece : text.slice(from, from + piece.size);
    return changed.slice(0, start) + inserted + changed.slice(start + length);
  }, text);
}

it('a changed response names who was signed for, or is refused with a code', async () => {
  const good = idp.answer(ask, NOW);
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      try {
        const { assertion } = await verifyResponse(apply(good, list), rules, expected);
        expect(assertion).toMatchObject({ nameId: { value: 'ann-17' }, issuer: idp.entityId });
        expect(assertion.attributes.get('groups')).toEqual(['staff', 'admins']);
      } catch (error) {
        expect(codeOf(error)).toMatch(/^ACCESS_SAML_/);
      }
    }),
    fuzzOptions(400),
  );
});

it('a changed logout message names who was signed for, or is refused with a code', () => {
  const request = idp.logoutRequest('https://us/slo', NOW);
  const query = idp.redirected('SAMLRequest', request, { relayState: 'back' });
  const signed = idp.sign(request, 'LogoutRequest');
  const check = (read: () => unknown): void => {
    try {
      expect(read()).toMatchObject({ kind: 'request', nameId: { value: 'ann-17' } });
    } catch (error) {
      expect(codeOf(error)).toMatch(/^ACCESS_SAML_/);
    }
  };
  fc.assert(
    fc.property(changes, (list) => {
      check(() => readRedirected(apply(query, list), logout));
      const xml = Buffer.from(apply(signed, list)).toString('base64');
      check(() =>
        readPosted(Buffer.from(new URLSearchParams({ SAMLRequest: xml }).toString()), logout),
      );
    }),
    fuzzOptions(400),
  );
});
