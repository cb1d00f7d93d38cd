/** Single logout, and everything that the library for it accepts and we do not. */
import { verify } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import type { WebResponse } from '../../../../src/access/web-message.ts';
import { AUTH_ORIGIN, headerOf, TestBrowser } from '../../../support/sign-in.ts';
import { idpKey, readAsk } from '../../../support/hostile-idp.ts';
import { idp, locationOf, ourKeys, samlLab, SLO, type SamlLab } from '../../../support/saml-lab.ts';

const attacker = await idpKey();
const HERE = `${AUTH_ORIGIN}${SLO}`;

/** A lab in which somebody is signed in. */
async function signedIn(): Promise<SamlLab> {
  const lab = samlLab();
  const ask = await lab.begin();
  await lab.post(idp.answer(ask, lab.clock.wall()), ask.relayState);
  expect(lab.subjects()).toEqual(['ann-17']);
  return lab;
}

/** Refuses the query: nobody is signed out and nothing goes to the IdP. Resolves to the reason. */
async function refuses(lab: SamlLab, query: string): Promise<string> {
  const answer = await lab.browser.get(`${SLO}?${query}`);
  return isRefused(lab, answer);
}

function isRefused(lab: SamlLab, answer: WebResponse): string {
  expect(headerOf(answer, 'location')).toBeUndefined();
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(lab.subjects()).toEqual(['ann-17']);
  return lab.why() ?? '';
}

async function post(lab: SamlLab, xml: string, relayState?: string): Promise<WebResponse> {
  const fields = { SAMLRequest: Buffer.from(xml).toString('base64') };
  const all = relayState === undefined ? fields : { ...fields, RelayState: relayState };
  return lab.browser.post(SLO, all, { origin: 'https://idp.test', 'sec-fetch-site': 'cross-site' });
}

/** Checks the signature of an address that we sent a browser to, with the key of our metadata. */
function isSignedByUs(location: string): boolean {
  const [signed = '', signature = ''] = new URL(location).search.slice(1).split('&Signature=');
  const pem = `-----BEGIN CERTIFICATE-----\n${ourKeys.signing[0]?.certificate ?? ''}\n-----END CERTIFICATE-----`;
  const bytes = Buffer.from(decodeURIComponent(signature), 'base64');
  return verify('sha256', Buffer.from(signed), pem, bytes);
}

it('a signed logout request ends the sessions that it names and is answered, signed', async () => {
  const lab = await signedIn();
  const other = new TestBrowser(lab.signIn);
  const ask = await lab.begin(other);
  const bob = idp.answer(ask, lab.clock.wall(), { nameId: 'bob' });
  await lab.post(bob, ask.relayState, other);
  const request = idp.logoutRequest(HERE, lab.clock.wall(), { id: '_out', sessionIndex: '_s1' });
  const done = await lab.browser.get(
    `${SLO}?${idp.redirected('SAMLRequest', request, { relayState: 'theirs & ours' })}`,
  );
  expect(lab.subjects()).toEqual(['bob']);
  expect(lab.sessions.revoked[0]?.because).toBe('signed out at the identity provider');
  const location = headerOf(done, 'location') ?? '';
  expect(location).toMatch(/^https:\/\/idp\.test\/slo\/done\?/);
  expect(new URL(location).searchParams.get('RelayState')).toBe('theirs & ours');
  expect(isSignedByUs(location)).toBe(true);
});

it('a logout request with the index of another session of the same person ends nothing', async () => {
  const lab = await signedIn();
  const request = idp.logoutRequest(HERE, lab.clock.wall(), { sessionIndex: '_s2' });
  const done = await lab.browser.get(`${SLO}?${idp.redirected('SAMLRequest', request)}`);
  expect(done.status).toBe(303);
  expect(lab.subjects()).toEqual(['ann-17']);
});

it('a logout request by form is verified by its XML signature', async () => {
  const lab = await signedIn();
  const request = idp.logoutRequest(HERE, lab.clock.wall());
  const signed = idp.sign(request, 'LogoutRequest');
  const other = idp.sign(request, 'LogoutRequest', { with: attacker });
  expect(isRefused(lab, await post(lab, request))).toContain('not signed');
  expect(isRefused(lab, await post(lab, other))).toContain('signature is wrong');
  const changed = signed.replace('ann-17', 'bob');
  expect(isRefused(lab, await post(lab, changed))).toContain('signature is wrong');
  const sha1 = 'http://www.w3.org/2000/09/xmldsig#rsa-sha1';
  const weak = idp.sign(request, 'LogoutRequest', { algorithm: sha1 });
  expect(isRefused(lab, await post(lab, weak))).toContain('not allowed');
  const wrapped = request.replace(
    '<saml:Issuer>',
    `<samlp:Extensions>${signed}</samlp:Extensions><saml:Issuer>`,
  );
  expect(isRefused(lab, await post(lab, wrapped.replace('ID="_l', 'ID="_x')))).toContain(
    'not signed',
  );
  const done = await post(lab, signed, 'back');
  expect(headerOf(done, 'location')).toMatch(/^https:\/\/idp\.test\/slo\/done\?/);
  expect(lab.subjects()).toEqual([]);
});

it('S34 (a) a logout request that is not signed, or by somebody else, is refused', async () => {
  const lab = await signedIn();
  const request = idp.logoutRequest(HERE, lab.clock.wall());
  const good = idp.redirected('SAMLRequest', request);
  expect(await refuses(lab, good.replace(/&Signature=.*/, ''))).toContain('not signed');
  expect(await refuses(lab, good.replace(/&SigAlg=.*/, ''))).toContain('not signed');
  const foreign = idp.redirected('SAMLRequest', request, { with: attacker });
  expect(await refuses(lab, foreign)).toContain('signature is wrong');
  expect(await refuses(lab, `${good}&RelayState=added`)).toContain('signature is wrong');
  const enveloped = idp.sign(request, 'LogoutRequest');
  const unsigned = `SAMLRequest=${encodeURIComponent(deflateRawSync(enveloped).toString('base64'))}`;
  expect(await refuses(lab, unsigned)).toContain('not signed');
});

it('S34 (b) a parameter that occurs twice is refused, however it is written', async () => {
  const lab = await signedIn();
  const good = idp.redirected(
    'SAMLRequest',
    idp.logoutRequest(HERE, lab.clock.wall(), { nameId: 'x' }),
  );
  const evil = `SAMLRequest=${encodeURIComponent(deflateRawSync(idp.logoutRequest(HERE, lab.clock.wall())).toString('base64'))}`;
  expect(await refuses(lab, `${good}&${evil}`)).toContain('occurs twice');
  expect(await refuses(lab, `${evil}&${good}`)).toContain('occurs twice');
  expect(await refuses(lab, `${good}&${evil.replace('SAML', '%53AML')}`)).toContain('written');
  expect(await refuses(lab, `${good}&${evil.replace('Request', 'Response')}`)).toContain(
    'not one message',
  );
  expect(await refuses(lab, `${good}&SigAlg=x`)).toContain('occurs twice');
});

it('S34 (c) a weak algorithm of the query signature is refused', async () => {
  const lab = await signedIn();
  const request = idp.logoutRequest(HERE, lab.clock.wall());
  for (const [sigAlg, hash] of [
    ['http://www.w3.org/2000/09/xmldsig#rsa-sha1', 'sha1'],
    ['http://www.w3.org/2001/04/xmldsig-more#rsa-md5', 'md5'],
    ['RSA-SHA256', 'sha256'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop
    const why = await refuses(lab, idp.redirected('SAMLRequest', request, { sigAlg, hash }));
    expect(why).toContain('is not allowed');
  }
});

it('S34 (d) a logout request that was used, or is old, is refused', async () => {
  const lab = await signedIn();
  const now = lab.clock.wall();
  const query = idp.redirected('SAMLRequest', idp.logoutRequest(HERE, now, { nameId: 'nobody' }));
  expect((await lab.browser.get(`${SLO}?${query}`)).status).toBe(303);
  expect(await refuses(lab, query)).toContain('used before');
  const old = idp.logoutRequest(HERE, now - LIMITS.samlUnsolicitedMs - 30_000);
  expect(await refuses(lab, idp.redirected('SAMLRequest', old))).toContain('too long ago');
  const future = idp.logoutRequest(HERE, now + 30_001);
  expect(await refuses(lab, idp.redirected('SAMLRequest', future))).toContain('in the future');
  const over = idp.logoutRequest(HERE, now, { end: now - 30_000 });
  expect(await refuses(lab, idp.redirected('SAMLRequest', over))).toContain('no longer valid');
});

it('S34 (e) a logout message for another address or of another issuer is refused', async () => {
  const lab = await signedIn();
  const now = lab.clock.wall();
  const elsewhere = idp.logoutRequest('https://other.test/slo', now);
  expect(await refuses(lab, idp.redirected('SAMLRequest', elsewhere))).toContain('another address');
  const foreign = idp.logoutRequest(HERE, now, { issuer: 'https://other.test' });
  expect(await refuses(lab, idp.redirected('SAMLRequest', foreign))).toContain('another issuer');
});

it('S34 (f) a message that grows when it is unpacked is refused, and costs no memory', async () => {
  const lab = await signedIn();
  const bomb = `<a>${' '.repeat(64 * 1024 * 1024)}</a>`;
  const query = idp.redirected('SAMLRequest', bomb);
  const before = process.memoryUsage().rss;
  expect(await refuses(lab, query)).toContain('too large');
  // Signed, and small enough to be unpacked at all.
  const small = idp.redirected('SAMLRequest', `<a>${' '.repeat(8 * 1024 * 1024)}</a>`);
  expect(small.length).toBeLessThan(LIMITS.samlInflatedBytes);
  expect(await refuses(lab, small)).toContain('becomes too large');
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
});

it('signing out leads to the identity provider, and its answer leads home', async () => {
  const lab = await signedIn();
  const [session] = lab.sessions.all.values();
  const out = await lab.browser.post('/.postern/logout', {});
  expect(lab.subjects()).toEqual([]);
  const location = locationOf(out);
  expect(location).toMatch(/^https:\/\/idp\.test\/slo\?/);
  expect(isSignedByUs(location)).toBe(true);
  const { id, xml } = readAsk(location);
  expect(xml).toContain(session?.identity.subject);
  expect(xml).toContain('_s1');

  const answer = idp.redirected('SAMLResponse', idp.logoutResponse(HERE, lab.clock.wall(), id));
  const home = await lab.browser.get(`${SLO}?${answer}`);
  expect(headerOf(home, 'location')).toBe(`${AUTH_ORIGIN}/.postern/signed-out`);
  const again = await lab.browser.get(`${SLO}?${answer}`);
  expect(again.status).toBeGreaterThanOrEqual(400);
  expect(lab.why()).toContain('no request of ours');
});

it('who cannot be signed out there is signed out here all the same', async () => {
  const lab = await signedIn();
  const out = locationOf(await lab.browser.post('/.postern/logout', {}));
  const failed = idp.logoutResponse(HERE, lab.clock.wall(), readAsk(out).id, 'Responder');
  const home = await lab.browser.get(`${SLO}?${idp.redirected('SAMLResponse', failed)}`);
  expect(headerOf(home, 'location')).toBe(`${AUTH_ORIGIN}/.postern/signed-out`);
  expect(lab.why()).toMatch(/^provider-refused: .*Responder/);
});

it('an answer to no logout request of ours is refused', async () => {
  const lab = await signedIn();
  const now = lab.clock.wall();
  const unasked = idp.logoutResponse(HERE, now, '_x');
  expect(await refuses(lab, idp.redirected('SAMLResponse', unasked))).toContain(
    'no request of ours',
  );
  const request = idp.logoutRequest(HERE, now);
  expect(await refuses(lab, idp.redirected('SAMLResponse', request))).toContain(
    'no LogoutResponse',
  );
});
