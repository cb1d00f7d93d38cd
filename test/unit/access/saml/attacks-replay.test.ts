/** Good responses at the wrong moment: again, twice at once, in another browser, or unasked. */
import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { AUTH_ORIGIN, headerOf, TestBrowser } from '../../../support/sign-in.ts';
import type { Ask, Said } from '../../../support/hostile-idp.ts';
import { ACS, idp, refusal, samlLab, SLO, type SamlLab } from '../../../support/saml-lab.ts';

const LANDING = '/.postern/saml/okta/landing';

it('S26 a response that was used is refused, in the same browser and after a new beginning', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const good = idp.answer(ask, lab.clock.wall());
  await lab.post(good, ask.relayState);
  expect(lab.subjects()).toEqual(['ann-17']);
  expect(await refusal(lab, good, ask.relayState)).toContain('state');
  const again = await lab.begin();
  expect(await refusal(lab, good, again.relayState)).toContain('another request');
});

it('S27 a response whose confirmation answers nothing is refused', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const unbound = idp.answer(ask, lab.clock.wall(), { confirms: undefined });
  expect(await refusal(lab, unbound, ask.relayState)).toContain('another request');
});

it('S28 of two posts at the same moment one signs in', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const good = idp.answer(ask, lab.clock.wall());
  const answers = await Promise.all([
    lab.post(good, ask.relayState),
    lab.post(good, ask.relayState),
  ]);
  expect(answers.filter(({ status }) => status < 400)).toHaveLength(1);
  expect(lab.subjects()).toEqual(['ann-17']);
});

it('S29 an assertion that nobody asked for is refused inside a response that answers a request', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const said = idp.says(ask, lab.clock.wall(), { confirms: undefined });
  const signed = idp.sign(idp.assertion(said), 'Assertion');
  const wrapped = idp.response({ ...said, inResponseTo: ask.id }, signed);
  expect(await refusal(lab, wrapped, ask.relayState)).toContain('another request');
});

it('S29 a response to the request of another browser is refused there', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  const other = new TestBrowser(lab.signIn);
  const answer = await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState, other);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(lab.why()).toContain('state');
  expect(lab.subjects()).toEqual([]);
});

/** What an IdP sends that nobody asked. */
function unasked(lab: SamlLab, changes: Partial<Said> = {}): string {
  const ask: Ask = {
    id: '',
    acs: `https://auth.postern.test:8443${ACS}`,
    audience: 'https://auth.postern.test:8443/.postern/saml/okta/metadata',
    relayState: '',
    search: '',
    xml: '',
  };
  const none = { inResponseTo: undefined, confirms: undefined };
  return idp.answer(ask, lab.clock.wall(), { ...none, ...changes });
}

it('S30 a response that nobody asked for is refused where that is not switched on', async () => {
  const lab = samlLab();
  expect(await refusal(lab, unasked(lab))).toMatch(/^state: /);
});

it('S30 where it is switched on it leads to the one application, once, and soon', async () => {
  const lab = samlLab({ idpInitiated: { application: 'wiki' } });
  const good = unasked(lab);
  const done = await lab.post(good);
  expect(done.body).toContain(`url=${AUTH_ORIGIN}${LANDING}`);
  const landed = await lab.browser.get(LANDING);
  expect(headerOf(landed, 'location')).toBe('https://wiki.postern.test:8443/');
  expect(await refusal(lab, good)).toContain('used before');
  const late = unasked(lab, {
    issueInstant: lab.clock.wall() - LIMITS.samlUnsolicitedMs - 30_000,
  });
  expect(await refusal(lab, late)).toContain('too long ago');
});

it('S30 where it is switched on, an answer to a request still needs that request', async () => {
  const lab = samlLab({ idpInitiated: { application: 'wiki' } });
  const ask = await lab.begin();
  const good = idp.answer(ask, lab.clock.wall());
  expect(await refusal(lab, good)).toContain('answers');
  expect(await refusal(lab, good, 'unknown')).toContain('answers');
  const bare = idp.answer(ask, lab.clock.wall(), { inResponseTo: undefined });
  expect(await refusal(lab, bare, 'unknown')).toContain('another request');
});

it('S33 a RelayState that is an address leads nowhere', async () => {
  const lab = samlLab({ idpInitiated: { application: 'wiki' } });
  const done = await lab.post(unasked(lab), 'https://evil.test/');
  expect(String(done.body)).not.toContain('evil.test');
  expect(done.body).toContain(`url=${AUTH_ORIGIN}${LANDING}`);

  const off = samlLab();
  expect(await refusal(off, unasked(off), 'https://evil.test/')).toMatch(/^state: /);
});

it('S33 the RelayState that we send says nothing', async () => {
  const lab = samlLab();
  const ask = await lab.begin();
  expect(ask.relayState).toMatch(/^[\w-]{32}$/);
});

it('the cookie of a sign-in travels with a form of another site', async () => {
  const lab = samlLab();
  const sent = await lab.browser.get('/.postern/sign-in/okta');
  expect(headerOf(sent, 'set-cookie')).toMatch(/^__Host-.*Secure.*SameSite=None/i);
});

it('nothing else is answered below the address of a provider', async () => {
  const { browser } = samlLab();
  expect((await browser.get(ACS)).status).toBe(404);
  expect((await browser.send('DELETE', SLO)).status).toBe(404);
  expect((await browser.get('/.postern/saml/okta/other')).status).toBe(404);
});
