/** Messages that are made to hurt the reader: entities, size, depth, fields that occur twice. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { cpuMs } from '../../../support/cpu-time.ts';
import { idpKey } from '../../../support/hostile-idp.ts';
import { ACS, idp, refusal, samlLab } from '../../../support/saml-lab.ts';

const attacker = await idpKey();

describe('S31', () => {
  it.each([
    ['a DOCTYPE', '<!DOCTYPE x>'],
    ['an internal entity', '<!DOCTYPE x [<!ENTITY a "mallory">]>'],
    ['an external entity', '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'],
    [
      'a billion laughs',
      `<!DOCTYPE x [<!ENTITY a "ha">${Array.from({ length: 30 }, (_, at) => `<!ENTITY a${at} "${'&a;'.repeat(10)}">`).join('')}]>`,
    ],
    ['a DOCTYPE in small letters', '<!doctype x>'],
  ])('S31 %s is refused before it is parsed', async (_, prolog) => {
    const lab = samlLab();
    const ask = await lab.begin();
    const evil = prolog + idp.answer(ask, lab.clock.wall());
    expect(await refusal(lab, evil, ask.relayState)).toContain('DOCTYPE');
  });

  it('S31 an entity that nobody declared is refused', async () => {
    const lab = samlLab();
    const ask = await lab.begin();
    const evil = idp.answer(ask, lab.clock.wall()).replace('ann-17', '&mallory;');
    expect(await refusal(lab, evil, ask.relayState)).toContain('ACCESS_SAML_MALFORMED');
  });
});

it('S32 a body above the limit is answered with 413, unread', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const pad = `<!--${' '.repeat(LIMITS.samlBodyBytes)}-->`;
  const answer = await lab.post(idp.answer(ask, lab.clock.wall()) + pad, ask.relayState);
  expect(answer.status).toBe(413);
  // Not even the transaction was used up.
  await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState);
  expect(lab.subjects()).toEqual(['ann-17']);
});

it('S32 nesting, elements and attributes without end are refused at once', async () => {
  const lab = samlLab();
  const many = [
    '<a>'.repeat(20_000),
    `<a>${'<b/>'.repeat(40_000)}</a>`,
    `<a ${Array.from({ length: 10_000 }, (_, at) => `a${at}="" `).join('')}/>`,
    Array.from({ length: 8_000 }, (_, at) => `<a xmlns:n${at}="u">`).join(''),
    `<a ${'"'.repeat(100_001)}`,
    '<'.repeat(150_000),
  ];
  const start = process.cpuUsage();
  for (const xml of many) {
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(lab, xml, ask.relayState)).toContain('ACCESS_SAML_MALFORMED');
  }
  expect(cpuMs(start)).toBeLessThan(5_000);
});

it('S32 documents that are hard to verify cost nothing without a signature of the provider', async () => {
  const lab = samlLab();
  const wide = Array.from({ length: LIMITS.samlXmlElements - 100 }, (_, at) => `<b ID="i${at}"/>`);
  const deep = `${'<a xmlns:x="u">'.repeat(40)}${'</a>'.repeat(40)}`.repeat(45);
  let spent = 0;
  for (const filler of [wide.join(''), deep]) {
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    const said = idp.says(ask, lab.clock.wall());
    const signed = idp.sign(idp.assertion(said), 'Assertion', { with: attacker });
    const evil = idp.response(said, signed.replace('</saml:Subject>', `</saml:Subject>${filler}`));
    const start = process.cpuUsage();
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(lab, evil, ask.relayState)).toContain('signature is wrong');
    spent += cpuMs(start);
  }
  // The library alone takes a second for each.
  expect(spent).toBeLessThan(1_500);
});

it('a field that occurs twice, is written otherwise, or is no base64 is refused', async () => {
  const lab = samlLab();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const body of [
    '',
    'SAMLResponse=',
    'SAMLResponse=%ZZ',
    'SAMLResponse=aaa$',
    'SAMLResponse=gICA',
    'SAMLResponse=AAAA&SAMLResponse=BBBB',
    'SAMLResponse=AAAA&samlresponse=BBBB',
    'SAMLResponse=AAAA&RelayState=a&RelayState=b',
  ]) {
    // oxlint-disable-next-line no-await-in-loop
    const answer = await lab.browser.send('POST', ACS, headers, body);
    expect({ body, status: answer.status }).toEqual({ body, status: expect.any(Number) });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  }
});

it('what is no response is refused', async () => {
  const lab = samlLab();
  for (const xml of ['<a/>', 'text', '', '<samlp:Response xmlns:samlp="urn:other"/>', '<a></b>']) {
    // oxlint-disable-next-line no-await-in-loop
    const ask = await lab.begin();
    // oxlint-disable-next-line no-await-in-loop
    expect(await refusal(lab, xml, ask.relayState)).toContain('ACCESS_SAML_MALFORMED');
  }
});
