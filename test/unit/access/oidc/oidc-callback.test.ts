import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../../src/core/limits.ts';
import { lastReason, oidcLab, signIn, toCallback } from '../../../support/oidc-lab.ts';
import { AUTH_ORIGIN, headerOf, TestBrowser } from '../../../support/sign-in.ts';
import { tempDir } from '../../../support/temp-dir.ts';

it('signs in with what the ID token and UserInfo say', async () => {
  const lab = await oidcLab();
  lab.provider.malform.userInfo = (claims) => ({ ...claims, department: 'tunnels', extra: 1 });
  const done = await signIn(lab);
  expect([done.status, headerOf(done, 'location')]).toEqual([303, `${AUTH_ORIGIN}/`]);
  const [session] = lab.sessions.all.values();
  expect(session?.identity).toEqual({
    provider: 'corp',
    subject: 'user-1',
    email: 'ann@example.com',
    name: 'Ann',
    groups: ['staff'],
    methods: ['pwd'],
    claims: { department: 'tunnels' },
  });
  expect(session?.provider).toMatchObject({ sid: 'provider-session-1' });
  expect(lab.audit.map(({ type, actor }) => [type, actor])).toEqual([
    ['login.ok', 'ann@example.com'],
  ]);
});

it('goes where the ticket leads', async () => {
  const lab = await oidcLab();
  const ticket = lab.tickets.issue('/.postern/authorize?app=wiki');
  const led = await lab.browser.get(`/.postern/sign-in/corp?ticket=${ticket}`);
  const done = await lab.browser.get(lab.provider.visit(headerOf(led, 'location')));
  expect(headerOf(done, 'location')).toBe(`${AUTH_ORIGIN}/.postern/authorize?app=wiki`);
});

it('O1 a callback with a wrong state is refused, and no code is redeemed', async () => {
  const lab = await oidcLab();
  const url = new URL(await toCallback(lab));
  url.searchParams.set('state', 'x'.repeat(32));
  const answer = await lab.browser.get(url.href);
  expect([answer.status, lastReason(lab)]).toEqual([400, 'state']);
  expect(lab.provider.tokenRequests).toHaveLength(0);
  expect(lab.sessions.all.size).toBe(0);
});

it('O2 a callback without a state, or with two, is refused', async () => {
  const lab = await oidcLab();
  for (const change of ['delete', 'append'] as const) {
    const url = new URL(await toCallback(lab));
    if (change === 'delete') url.searchParams.delete('state');
    else url.searchParams.append('state', 'second');
    expect((await lab.browser.get(url.href)).status).toBe(400);
    expect(lastReason(lab)).toBe('state');
  }
  expect(lab.provider.tokenRequests).toHaveLength(0);
});

it('O3 a callback in another browser is refused', async () => {
  const lab = await oidcLab();
  const victim = new TestBrowser(lab.signIn);
  await victim.get('/.postern/sign-in/corp');
  const answer = await victim.get(await toCallback(lab));
  expect([answer.status, lastReason(lab)]).toEqual([400, 'state']);
  expect(lab.provider.tokenRequests).toHaveLength(0);
  expect(victim.cookies.has('__Host-postern_session')).toBe(false);
});

it('O4 the same callback is good once', async () => {
  const lab = await oidcLab();
  const url = await toCallback(lab);
  expect((await lab.browser.get(url)).status).toBe(303);
  expect((await lab.browser.get(url)).status).toBe(400);
  expect(lab.provider.tokenRequests).toHaveLength(1);
  expect(lab.sessions.all.size).toBe(1);
});

it('O5 two callbacks at once make one session', async () => {
  const lab = await oidcLab();
  const url = await toCallback(lab);
  const answers = await Promise.all([lab.browser.get(url), lab.browser.get(url)]);
  expect(answers.filter(({ status }) => status === 303)).toHaveLength(1);
  expect(lab.sessions.all.size).toBe(1);
});

it('a callback that comes too late is refused', async () => {
  const lab = await oidcLab();
  const url = await toCallback(lab);
  lab.clock.run(LIMITS.loginMs);
  expect((await lab.browser.get(url)).status).toBe(400);
});

it('O7 PKCE goes with every sign-in: a code is worth nothing without its verifier', async () => {
  const lab = await oidcLab();
  await signIn(lab);
  const [asked] = lab.provider.authorizations;
  expect(asked?.searchParams.get('code_challenge_method')).toBe('S256');
  expect(asked?.searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/);
  expect(lab.provider.tokenRequests[0]?.fields.get('code_verifier')).toMatch(/^[\w-]{43,}$/);

  // The attacker puts a code of his own sign-in into the victim's callback.
  const attacker = new TestBrowser(lab.signIn, '198.51.100.9');
  const stolen = new URL(await toCallback(lab, attacker)).searchParams.get('code') ?? '';
  const victim = new TestBrowser(lab.signIn);
  const url = new URL(await toCallback(lab, victim));
  url.searchParams.set('code', stolen);
  expect((await victim.get(url.href)).status).toBe(400);
  expect(lastReason(lab)).toBe('provider-refused');
});

it('O8 PKCE is sent to a provider that does not speak of it', async () => {
  const lab = await oidcLab();
  lab.provider.malform.metadata = (metadata) => ({
    ...metadata,
    code_challenge_methods_supported: undefined,
  });
  expect((await signIn(lab)).status).toBe(303);
  expect(lab.provider.authorizations[0]?.searchParams.get('code_challenge')).not.toBeNull();
});

it('O9 the issuer of another provider in the callback is refused', async () => {
  const lab = await oidcLab();
  lab.provider.malform.callback = (query) => query.set('iss', 'https://other.example');
  expect((await signIn(lab)).status).toBe(400);
  expect(lastReason(lab)).toBe('invalid-response');
  expect(lab.provider.tokenRequests).toHaveLength(0);
});

it('O10 a callback without the issuer that the provider promises is refused', async () => {
  const lab = await oidcLab();
  lab.provider.malform.callback = (query) => query.delete('iss');
  expect((await signIn(lab)).status).toBe(400);
  expect(lab.provider.tokenRequests).toHaveLength(0);
});

it('O11 an answer of one provider at the address of another is refused', async () => {
  const lab = await oidcLab({}, ['corp', 'partner']);
  for (const provider of lab.providers) {
    provider.malform.metadata = (metadata) => ({
      ...metadata,
      authorization_response_iss_parameter_supported: false,
    });
    provider.malform.callback = (query) => query.delete('iss');
  }
  const url = await toCallback(lab);
  expect(url).toContain('/.postern/oidc/corp/callback');
  const crossed = url.replace('/oidc/corp/', '/oidc/partner/');
  expect((await lab.browser.get(crossed)).status).toBe(400);
  expect(lastReason(lab)).toBe('state');
  expect(lab.providers.flatMap(({ tokenRequests }) => tokenRequests)).toEqual([]);
});

it('a user who comes from the start page is asked for the account, where the provider would not', async () => {
  const promptWith = async (metadata: object) => {
    const lab = await oidcLab();
    lab.provider.malform.metadata = (known) => ({ ...known, ...metadata });
    const home = String((await lab.browser.get('/')).body);
    const [, link = ''] = /href="(\/\.postern\/sign-in\/corp[^"]*)"/.exec(home) ?? [];
    const led = await lab.browser.get(link.replaceAll('&amp;', '&'));
    return new URL(headerOf(led, 'location') ?? '').searchParams.get('prompt');
  };
  expect(await promptWith({})).toBeNull();
  expect(await promptWith({ end_session_endpoint: undefined })).toBe('login');
  expect(await promptWith({ prompt_values_supported: ['none', 'select_account'] })).toBe(
    'select_account',
  );
});

it('O25 the address of the callback comes from the configuration, whatever the Host fields say', async () => {
  const lab = await oidcLab();
  lab.browser.headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example' };
  expect((await signIn(lab)).status).toBe(303);
  const callback = `${AUTH_ORIGIN}/.postern/oidc/corp/callback`;
  expect(lab.provider.authorizations[0]?.searchParams.get('redirect_uri')).toBe(callback);
  expect(lab.provider.tokenRequests[0]?.fields.get('redirect_uri')).toBe(callback);
});

it('O26 an answer beyond all measure is refused before anything reads it', async () => {
  const lab = await oidcLab();
  const url = `${await toCallback(lab)}&response=${'A'.repeat(LIMITS.callbackChars)}`;
  expect((await lab.browser.get(url)).status).toBe(400);
  expect(lab.provider.tokenRequests).toHaveLength(0);
});

it('O26 a packed answer (JARM) is refused and not unpacked', async () => {
  const lab = await oidcLab();
  const url = `${await toCallback(lab)}&response=eyJ6aXAiOiJERUYifQ.e30.x`;
  expect((await lab.browser.get(url)).status).toBe(400);
  expect(lab.provider.tokenRequests).toHaveLength(0);
});

it('a user whom the provider refuses sees a page, and the log why', async () => {
  const lab = await oidcLab();
  lab.provider.malform.callback = (query) => {
    query.delete('code');
    query.set('error', 'access_denied');
    query.set('error_description', '<script>alert(1)</script>');
  };
  const answer = await signIn(lab);
  expect([answer.status, lastReason(lab)]).toEqual([400, 'provider-refused']);
  expect(answer.body).not.toContain('access_denied');
  expect(answer.body).not.toContain('alert(1)');
});

it('a provider that is down is said to be, and tried again soon', async () => {
  const lab = await oidcLab();
  lab.provider.malform.answer = (_, response) => {
    response.writeHead(503).end();
    return true;
  };
  const answer = await lab.browser.get('/.postern/sign-in/corp');
  expect([answer.status, lastReason(lab)]).toEqual([503, 'provider-down']);
  await lab.browser.get('/.postern/sign-in/corp');
  expect(lab.provider.metadataRequests).toBe(1);

  lab.provider.malform = {};
  lab.clock.run(5_000);
  expect((await signIn(lab)).status).toBe(303);
});

it('one provider that is down leaves the others usable', async () => {
  const lab = await oidcLab({}, ['corp', 'partner']);
  await lab.providers[1]?.stop();
  expect((await lab.browser.get('/')).body).toContain('Provider partner');
  expect((await lab.browser.get('/.postern/sign-in/partner')).status).toBe(503);
  expect((await signIn(lab)).status).toBe(303);
});

it('metadata is asked for once for many sign-ins at once', async () => {
  const lab = await oidcLab();
  await Promise.all(
    Array.from({ length: 20 }, async () =>
      new TestBrowser(lab.signIn).get('/.postern/sign-in/corp'),
    ),
  );
  expect(lab.provider.metadataRequests).toBe(1);
});

it('C1 a session that was in the browser before the sign-in is dead after it', async () => {
  const lab = await oidcLab();
  const { secret, session } = await lab.sessions.create({
    kind: 'browser',
    identity: { provider: 'corp', subject: 'attacker', groups: [], methods: [], claims: {} },
    address: '198.51.100.9',
    agent: '',
  });
  lab.browser.cookies.set('__Host-postern_session', secret);
  await signIn(lab);
  expect(lab.browser.cookies.get('__Host-postern_session')).not.toBe(secret);
  expect(lab.sessions.verify(secret)).toBeUndefined();
  expect(lab.sessions.revoked).toEqual([{ id: session.id, because: 'signed in again' }]);
});

it('C16 twenty tabs at once all sign in, and so does one that is opened after them', async () => {
  const lab = await oidcLab();
  const { browser } = lab;
  // All requests leave before the first answer has set a cookie.
  const blank = Array.from({ length: 20 }, () => new TestBrowser(lab.signIn));
  const led = await Promise.all(blank.map(async (tab) => tab.get('/.postern/sign-in/corp')));
  for (const response of led) browser.keep(response);
  led.push(await browser.get('/.postern/sign-in/corp'));
  for (const response of led) {
    const url = lab.provider.visit(headerOf(response, 'location'));
    // oxlint-disable-next-line no-await-in-loop -- a user closes one tab after the other
    expect((await browser.send('GET', url)).status).toBe(303);
  }
  expect(lab.sessions.revoked).toEqual([]);
  const logins = [...browser.cookies.keys()].filter((name) => name.includes('_login_'));
  expect(logins).toHaveLength(20);
});

it('proves who the gateway is with the secret of its file, in the way that the provider takes it', async () => {
  const clientSecretFile = join(tempDir('secret'), 'secret');
  writeFileSync(clientSecretFile, 'canary-91f3\n');
  const asked = async (methods: readonly string[] | undefined) => {
    const lab = await oidcLab({ clientSecretFile });
    lab.provider.malform.metadata = (metadata) => ({
      ...metadata,
      token_endpoint_auth_methods_supported: methods,
    });
    await signIn(lab);
    expect(JSON.stringify([lab.audit, lab.log])).not.toContain('canary-91f3');
    const [request] = lab.provider.tokenRequests;
    return [request?.authorization, request?.fields.get('client_secret')];
  };
  const basic = `Basic ${Buffer.from('postern:canary-91f3').toString('base64')}`;
  expect(await asked(undefined)).toEqual([basic, null]);
  expect(await asked(['client_secret_post', 'client_secret_basic'])).toEqual([basic, null]);
  expect(await asked(['client_secret_post'])).toEqual([undefined, 'canary-91f3']);
});
