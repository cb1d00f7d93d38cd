/** Assertions that the right identity provider has signed, and that are for somebody, somewhere or some time else. */
import { expect, it } from '@jest/globals';

import type { Said } from '../../../support/hostile-idp.ts';
import { idp, refusal, samlLab } from '../../../support/saml-lab.ts';

const SKEW_MS = 30_000;

/** Refuses an answer with these changes, which are signed. */
async function refuses(changes: (now: number) => Partial<Said>): Promise<string> {
  const lab = samlLab({ clockSkewMs: SKEW_MS });
  const ask = await lab.begin();
  const now = lab.clock.wall();
  return refusal(lab, idp.answer(ask, now, changes(now)), ask.relayState);
}

async function accepts(changes: (now: number) => Partial<Said>): Promise<string[]> {
  const lab = samlLab({ clockSkewMs: SKEW_MS });
  const ask = await lab.begin();
  const now = lab.clock.wall();
  await lab.post(idp.answer(ask, now, changes(now)), ask.relayState);
  return lab.subjects();
}

it('S13 a comment in a name is refused, and never cuts the name', async () => {
  expect(await refuses(() => ({ nameId: 'ann@example.com<!---->.evil.test' }))).toContain(
    'comment',
  );
  expect(await refuses(() => ({ nameId: 'ann<x xmlns="">.evil</x>' }))).toContain('more than text');
  const lab = samlLab();
  const ask = await lab.begin();
  const split = idp.answer(ask, lab.clock.wall()).replace('ann-17', 'ann<?x?>-17');
  expect(await refusal(lab, split, ask.relayState)).toContain('processing instruction');
  expect(await accepts(() => ({ nameId: 'ann<![CDATA[.evil]]>' }))).toEqual(['ann.evil']);
});

it('S17 a response for another address is refused, signed as a whole or not', async () => {
  const destination = 'https://other.test/acs';
  expect(await refuses(() => ({ destination }))).toContain('Destination');
  const lab = samlLab({ wantSigned: 'response' });
  const ask = await lab.begin();
  const whole = idp.answerSignedWhole(ask, lab.clock.wall(), { destination });
  expect(await refusal(lab, whole, ask.relayState)).toContain('Destination');
  expect(await accepts(() => ({ destination: undefined }))).toEqual(['ann-17']);
});

it('S18 an assertion that another recipient may present is refused', async () => {
  expect(await refuses(() => ({ recipient: 'https://other.test/acs' }))).toContain('Recipient');
  expect(await refuses(() => ({ recipient: undefined }))).toContain('Recipient');
});

it('S19 an assertion or a response of another issuer is refused', async () => {
  expect(await refuses(() => ({ issuer: 'https://other.test' }))).toContain('of issuer');
  expect(await refuses(() => ({ issuer: undefined }))).toContain('of issuer');
  expect(await refuses(() => ({ responseIssuer: 'https://other.test' }))).toContain('of issuer');
  expect(await accepts(() => ({ responseIssuer: undefined }))).toEqual(['ann-17']);
});

it('S20 an assertion for another audience, for none or without conditions is refused', async () => {
  expect(await refuses(() => ({ audience: 'https://other.test' }))).toContain('audience');
  expect(await refuses(() => ({ audience: undefined }))).toMatch(/audience/i);
  expect(await refuses(() => ({ hasConditions: false }))).toMatch(/ACCESS_SAML/);
  const second =
    '<saml:AudienceRestriction><saml:Audience>https://other.test</saml:Audience></saml:AudienceRestriction>';
  expect(await refuses(() => ({ conditions: second }))).toContain('audience');
  expect(await refuses(() => ({ conditions: '<saml:Condition/>' }))).toContain('condition');
});

it('S21 an assertion that nobody may present, or only with a proof, is refused', async () => {
  expect(await refuses(() => ({ confirmationMethod: undefined }))).toContain('nobody may present');
  const confirmationMethod = 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key';
  expect(await refuses(() => ({ confirmationMethod }))).toContain('confirmed by');
});

it('S22 an assertion without an end is refused', async () => {
  expect(await refuses(() => ({ confirmationEnd: undefined }))).toMatch(/no end|NotOnOrAfter/);
  const none = { confirmationEnd: undefined, notOnOrAfter: undefined };
  expect(await refuses(() => none)).toMatch(/no end|NotOnOrAfter/);
});

it('S23 an assertion that is over or not yet valid is refused, and skew is what is configured', async () => {
  expect(await refuses((now) => ({ notOnOrAfter: now - SKEW_MS }))).toContain('no longer valid');
  expect(await refuses((now) => ({ confirmationEnd: now - SKEW_MS }))).toContain('no longer valid');
  expect(await refuses((now) => ({ notBefore: now + SKEW_MS + 1 }))).toContain('not valid yet');
  expect(await refuses((now) => ({ issueInstant: now + SKEW_MS + 1 }))).toContain('in the future');
  expect(await refuses((now) => ({ sessionEnd: now - SKEW_MS }))).toContain('is over');
  const almostOver = (now: number) => ({
    notOnOrAfter: now - SKEW_MS + 1,
    confirmationEnd: now - SKEW_MS + 1,
  });
  expect(await accepts(almostOver)).toEqual(['ann-17']);
  expect(await accepts((now) => ({ notBefore: now + SKEW_MS }))).toEqual(['ann-17']);
});

it('S23 an assertion that is valid for days is refused', async () => {
  const end = (now: number) => now + 30 * 86_400_000;
  const changes = (now: number) => ({ notOnOrAfter: end(now), confirmationEnd: end(now) });
  expect(await refuses(changes)).toContain('for too long');
});

it('S24 a response that says it failed is refused, although it has a signed assertion', async () => {
  expect(await refuses(() => ({ status: 'Responder' }))).toContain('ACCESS_SAML_STATUS');
  expect(await refuses(() => ({ status: 'Success2' }))).toContain('ACCESS_SAML_STATUS');
});

it('S24 a response without an assertion says in the log why', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, lab.clock.wall(), { status: 'AuthnFailed' });
  const why = await refusal(lab, idp.response(said, ''), ask.relayState);
  expect(why).toMatch(/^provider-refused: ACCESS_SAML_STATUS: .*AuthnFailed/);
});

it('an assertion that names nobody is refused', async () => {
  expect(await refuses(() => ({ nameId: undefined }))).toContain('names nobody');
  expect(await refuses(() => ({ nameId: ' ' }))).toContain('names nobody');
});
