/** Attacks on who vouches: nobody, somebody else, or the right one for something else. Real keys, through the real flow. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { encryptAssertion, idpKey } from '../../../support/hostile-idp.ts';
import { wrap } from '../../../support/signature-wrapping.ts';
import { idp, ourKeys, refusal, samlLab, type SamlLab } from '../../../support/saml-lab.ts';

const attacker = await idpKey();
const NOW = (lab: SamlLab): number => lab.clock.wall();

it('S1 a response in which nothing is signed is refused', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab));
  const why = await refusal(lab, idp.response(said, idp.assertion(said)), ask.relayState);
  expect(why).toContain('ACCESS_SAML_SIGNATURE');
});

it('S2 a response that is signed with the key in its own KeyInfo is refused', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab), { nameId: 'mallory' });
  const signed = idp.sign(idp.assertion(said), 'Assertion', { with: attacker });
  const whole = idp.sign(idp.response(said, signed), 'Response', { with: attacker });
  expect(whole).toContain('X509Certificate');
  expect(await refusal(lab, whole, ask.relayState)).toContain('ACCESS_SAML_SIGNATURE');
});

it('S3 a response whose assertion is not signed is refused where assertions must be', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const why = await refusal(lab, idp.answerSignedWhole(ask, NOW(lab)), ask.relayState);
  expect(why).toContain('ACCESS_SAML_SIGNATURE');
});

it('S3 a response that is not signed as a whole is refused where responses must be', async () => {
  const lab = samlLab({ wantSigned: 'response' });
  const ask = await lab.begin();
  const why = await refusal(lab, idp.answer(ask, NOW(lab)), ask.relayState);
  expect(why).toContain('ACCESS_SAML_SIGNATURE');

  const whole = samlLab({ wantSigned: 'response' });
  const again = await whole.begin();
  await whole.post(idp.answerSignedWhole(again, NOW(whole)), again.relayState);
  expect(whole.subjects()).toEqual(['ann-17']);
});

it('S3 a second signature must hold too, although the first would be enough', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab));
  const signed = idp.response(said, idp.sign(idp.assertion(said), 'Assertion'));
  const whole = idp.sign(signed, 'Response', { with: attacker });
  expect(await refusal(lab, whole, ask.relayState)).toContain('ACCESS_SAML_SIGNATURE');
});

it.each([
  ['S4', 1],
  ['S5', 2],
  ['S6', 3],
  ['S7', 4],
  ['S8', 5],
  ['S9', 6],
  ['S10', 7],
  ['S11', 8],
] as const)('%s signature wrapping XSW%d is refused', async (_, way) => {
  const lab = samlLab({ wantSigned: way <= 2 ? 'response' : 'assertion' });
  const ask = await lab.begin();
  const good = way <= 2 ? idp.answerSignedWhole(ask, NOW(lab)) : idp.answer(ask, NOW(lab));
  const evil = wrap(way, good, 'mallory');
  expect(evil).toContain('mallory');
  expect(await refusal(lab, evil, ask.relayState)).toMatch(/ACCESS_SAML_(SIGNATURE|MALFORMED)/);
});

it.each([
  ['S6', 3],
  ['S7', 4],
  ['S8', 5],
  ['S9', 6],
  ['S10', 7],
  ['S11', 8],
] as const)('%s wrapping XSW%d is refused inside an encrypted assertion', async (_, way) => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab));
  const signed = idp.response(said, idp.sign(idp.assertion(said), 'Assertion'));
  const wrapped = wrap(way, signed, 'mallory');
  const end = '</samlp:Status>';
  const inner = wrapped.slice(wrapped.indexOf(end) + end.length, -'</samlp:Response>'.length);
  const content = encryptAssertion(inner, ourKeys.encryption[0]?.certificate ?? '');
  const why = await refusal(lab, idp.response(said, content), ask.relayState);
  expect(why).toMatch(/ACCESS_SAML_(SIGNATURE|MALFORMED)/);
});

it('S12 two assertions are refused, each signed and with the same id or another', async () => {
  for (const assertionId of ['_one', '_two']) {
    const lab = samlLab();
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    const said = idp.says(ask, NOW(lab), { assertionId: '_one' });
    const other = idp.says(ask, NOW(lab), { assertionId, nameId: 'mallory' });
    const both = [said, other].map((each) => idp.sign(idp.assertion(each), 'Assertion'));
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(lab, idp.response(said, both.join('')), ask.relayState)).toContain(
      'not exactly one assertion',
    );
  }
});

it('S12 an id that occurs twice is refused, whatever the elements are', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab));
  const extra = `<x:e xmlns:x="urn:x" Id="${said.assertionId}"/>`;
  const content = extra + idp.sign(idp.assertion(said), 'Assertion');
  expect(await refusal(lab, idp.response(said, content), ask.relayState)).toContain('same id');
});

it('S14 a signature with two SignedInfo is refused', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const good = idp.answer(ask, NOW(lab));
  const [info = ''] = /<ds:SignedInfo>.*<\/ds:SignedInfo>/s.exec(good) ?? [];
  const evil = good.replace(info, info.replace(/DigestValue>[^<]*/, 'DigestValue>AAAA') + info);
  expect(await refusal(lab, evil, ask.relayState)).toContain('not one SignedInfo');
});

it('S15 what is not signed is not read', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, NOW(lab));
  const unsigned =
    '<samlp:Extensions><saml:Subject><saml:NameID>mallory</saml:NameID></saml:Subject>' +
    '<saml:AttributeStatement><saml:Attribute Name="mail"><saml:AttributeValue>m@evil.test</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></samlp:Extensions>';
  const signed = idp.sign(idp.assertion(said), 'Assertion');
  await lab.post(idp.response(said, unsigned + signed), ask.relayState);
  const [session] = lab.sessions.all.values();
  expect(session?.identity).toMatchObject({ subject: 'ann-17', email: 'ann@example.com' });
});

it('S15 a signed assertion that was changed afterwards is refused', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const evil = idp.answer(ask, NOW(lab)).replace('ann-17', 'mallory');
  expect(await refusal(lab, evil, ask.relayState)).toContain('ACCESS_SAML_SIGNATURE');
});

it('S16 samlify, which had signature wrapping of its own, serves tests alone', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../../package.json'), 'utf8');
  const { dependencies, devDependencies } = JSON.parse(text) as Record<string, object>;
  expect(dependencies).not.toHaveProperty('samlify');
  expect(devDependencies).toHaveProperty('samlify');
});

describe('S25', () => {
  it.each([
    ['rsa-sha1', { algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }],
    ['a SHA-1 digest', { digest: 'http://www.w3.org/2000/09/xmldsig#sha1' }],
    ['HMAC with the public key', { algorithm: 'http://www.w3.org/2000/09/xmldsig#hmac-sha1' }],
  ])('S25 a signature with %s is refused, although its key is right', async (_, signing) => {
    const lab = samlLab();
    const ask = await lab.begin();
    const said = idp.says(ask, NOW(lab));
    const evil = idp.response(said, idp.sign(idp.assertion(said), 'Assertion', signing));
    expect(await refusal(lab, evil, ask.relayState)).toContain('is not allowed');
  });

  it('S25 a weak signature is refused inside an encrypted assertion too', async () => {
    const lab = samlLab();
    const ask = await lab.begin();
    const said = idp.says(ask, NOW(lab));
    const weak = idp.sign(idp.assertion(said), 'Assertion', {
      algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
    });
    const content = encryptAssertion(weak, ourKeys.encryption[0]?.certificate ?? '');
    const why = await refusal(lab, idp.response(said, content), ask.relayState);
    expect(why).toContain('is not allowed');
  });

  it.each([
    ['SHA-512', 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512'],
    ['PSS', 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1'],
  ])('S25 a signature with RSA and %s is accepted', async (_, algorithm) => {
    const lab = samlLab();
    const ask = await lab.begin();
    const said = idp.says(ask, NOW(lab));
    const signed = idp.sign(idp.assertion(said), 'Assertion', { algorithm });
    await lab.post(idp.response(said, signed), ask.relayState);
    expect(lab.subjects()).toEqual(['ann-17']);
  });
});
