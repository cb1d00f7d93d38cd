import { expect, it } from '@jest/globals';
import { generateKeyPair, SignJWT } from 'jose';

import { oidcLab, signIn, type OidcLab } from '../../../support/oidc-lab.ts';
import { headerOf, TestBrowser } from '../../../support/sign-in.ts';

const PATH = '/.postern/oidc/corp/back-channel-logout';

async function post(lab: OidcLab, token: string): Promise<number> {
  const provider = new TestBrowser(lab.signIn, '192.0.2.50');
  return (await provider.post(PATH, { logout_token: token }, {})).status;
}

it('O27 a logout token ends the sessions of its sid, and no others', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  lab.provider.malform.claims = (claims) => ({ ...claims, sid: 'provider-session-2' });
  await signIn(lab, new TestBrowser(lab.signIn));
  expect(lab.sessions.all.size).toBe(2);

  const token = await lab.provider.logoutToken({ sid: 'provider-session-1', sub: undefined });
  expect(await post(lab, token)).toBe(200);
  expect(lab.sessions.all.size).toBe(1);
  const [left] = lab.sessions.all.values();
  expect(left?.provider['sid']).toBe('provider-session-2');
  expect(lab.audit.at(-1)).toMatchObject({
    type: 'logout',
    detail: { scope: 'back-channel', sessions: 1 },
  });
});

it('O27 a logout token without a sid ends every session of its subject', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  await signIn(lab, new TestBrowser(lab.signIn));
  lab.provider.user = { ...lab.provider.user, sub: 'user-2' };
  await signIn(lab, new TestBrowser(lab.signIn));
  expect(await post(lab, await lab.provider.logoutToken({ sub: 'user-1' }))).toBe(200);
  expect([...lab.sessions.all.values()].map(({ identity }) => identity.subject)).toEqual([
    'user-2',
  ]);
});

it('O27 logout tokens that are not quite right are refused and end nothing', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  const { provider } = lab;
  const { privateKey } = await generateKeyPair('RS256');
  const now = Math.floor(Date.now() / 1000);
  const good = {
    iss: provider.issuer,
    aud: provider.clientId,
    iat: now,
    exp: now + 60,
    jti: 'x',
    sub: 'user-1',
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  };
  const [key] = provider.keys;
  const foreign = new SignJWT(good).setProtectedHeader({ alg: 'RS256', kid: 'key-1' });
  const bad: Record<string, string> = {
    'a foreign signature': await foreign.sign(privateKey),
    'a shared key': await new SignJWT(good)
      .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
      .sign(Buffer.from(JSON.stringify(key?.jwk))),
    'a nonce': await provider.logoutToken({ nonce: 'n' }),
    'no events': await provider.logoutToken({ events: undefined }),
    'other events': await provider.logoutToken({ events: { 'http://example.com': {} } }),
    'another audience': await provider.logoutToken({ aud: 'other' }),
    'another issuer': await provider.logoutToken({ iss: 'https://other.example' }),
    'no id': await provider.logoutToken({ jti: undefined }),
    'no time': await provider.logoutToken({ iat: undefined }),
    'an old time': await provider.logoutToken({ iat: now - 3600, exp: now - 3000 }),
    'a time to come': await provider.logoutToken({ iat: now + 3600, exp: now + 7200 }),
    'nobody it is about': await provider.logoutToken({ sub: undefined }),
    'the type of an access token': await provider.logoutToken({}, { typ: 'at+jwt' }),
    'an ID token': await provider.sign({ ...good, events: undefined, nonce: 'n' }),
    'an unknown key id': await provider.logoutToken({}, { kid: 'random' }),
    'no token': '',
    'what is none': 'a.b.c',
    'one that is too long': 'x'.repeat(20_000),
  };
  for (const [name, token] of Object.entries(bad)) {
    // oxlint-disable-next-line no-await-in-loop
    expect([name, await post(lab, token)]).toEqual([name, 400]);
  }
  expect(lab.sessions.all.size).toBe(1);
});

it('O27 a logout token is good once', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  const token = await lab.provider.logoutToken();
  expect(await post(lab, token)).toBe(200);
  await signIn(lab);
  expect(await post(lab, token)).toBe(400);
  expect(lab.sessions.all.size).toBe(1);
});

it('A2 logout tokens with random key ids make one request for keys', async () => {
  const lab = await oidcLab();
  for (let count = 0; count < 20; count += 1) {
    // oxlint-disable-next-line no-await-in-loop
    await post(lab, await lab.provider.logoutToken({}, { kid: `random-${count}` }));
  }
  expect(lab.provider.jwksRequests).toBe(1);
});

it('signing out ends the session and leads on to the provider', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  const page = await lab.browser.post('/.postern/logout', {});
  expect(lab.sessions.all.size).toBe(0);
  expect(lab.browser.cookies.has('__Host-postern_session')).toBe(false);
  const [, link = ''] = /href="([^"]+\/logout[^"]+)"/.exec(String(page.body)) ?? [];
  const url = new URL(link.replaceAll('&amp;', '&'));
  expect(url.origin + url.pathname).toBe(`${lab.provider.issuer}/logout`);
  expect(url.searchParams.get('id_token_hint')).toMatch(/^eyJ/);
  expect(url.searchParams.get('post_logout_redirect_uri')).toBe(
    'https://auth.postern.test:8443/.postern/signed-out',
  );
});

it('signing out works while the provider is down', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  lab.clock.run(2 * 3_600_000);
  await lab.provider.stop();
  const page = await lab.browser.post('/.postern/logout', {});
  expect(page.status).toBe(200);
  expect(headerOf(page, 'set-cookie')).toContain('Max-Age=0');
  expect(lab.sessions.all.size).toBe(0);
});
