import { describe, expect, it } from '@jest/globals';

import type { ProviderFlow } from '../../../../src/access/sign-in/provider-flow.ts';
import { redirect } from '../../../../src/access/pages/redirect.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { AUTH_ORIGIN, headerOf, signInLab, TestBrowser } from '../../../support/sign-in.ts';

/** A provider that believes whoever comes back. */
function trustingFlow(id: string, change: Partial<ProviderFlow> = {}): ProviderFlow {
  return {
    id,
    label: `Provider ${id}`,
    type: 'oidc',
    start: async ({ ticket, request }, host) => {
      const { reference, setCookie } = await host.begin(request, { ticket, state: {} });
      return redirect(`https://idp.example/?state=${reference}`, [['set-cookie', setCookie]]);
    },
    handle: async (request, _, host) => {
      const open = await host.finish(request, request.query.get('state') ?? '');
      if (open === undefined) return host.failed(request, 'state', 'unknown');
      const subject = request.query.get('who') ?? 'ann';
      const identity = { provider: id, subject, groups: ['staff'], methods: [], claims: {} };
      return host.signedIn(request, open.ticket, { identity, provider: {} });
    },
    ...change,
  };
}

async function signedIn(browser: TestBrowser, who = 'ann', id = 'a'): Promise<void> {
  const led = await browser.get(`/.postern/sign-in/${id}`);
  const state = new URL(headerOf(led, 'location') ?? '').searchParams.get('state') ?? '';
  const done = await browser.get(`/.postern/oidc/${id}/back?state=${state}&who=${who}`);
  expect(done.status).toBe(303);
}

describe('before signing in', () => {
  it('shows the providers to choose from, each with the ticket', async () => {
    const { signIn, tickets } = signInLab(() => [trustingFlow('a'), trustingFlow('b')]);
    const browser = new TestBrowser(signIn);
    const page = await signIn.start(browser.request('GET', '/x'), '/.postern/authorize?app=wiki');
    const ticket = encodeURIComponent(tickets.issue('/.postern/authorize?app=wiki'));
    expect(page.body).toContain(`href="/.postern/sign-in/a?ticket=${ticket}"`);
    expect(page.body).toContain('Provider b');
  });

  it('goes straight to the only provider, but not from the start page', async () => {
    const { signIn } = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(signIn);
    const led = await signIn.start(browser.request('GET', '/x'), '/somewhere');
    expect(headerOf(led, 'location')).toMatch(/^https:\/\/idp\.example\//);
    expect((await browser.get('/')).body).toContain('Provider a');
  });

  it('says so when there is no way to sign in', async () => {
    const { signIn } = signInLab(() => []);
    expect((await new TestBrowser(signIn).get('/')).body).toContain('No way to sign in');
  });

  it('O24 a forged ticket leads to the start page', async () => {
    const { signIn } = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(signIn);
    const led = await browser.get('/.postern/sign-in/a?ticket=aHR0cHM6Ly9ldmls.xx');
    const state = new URL(headerOf(led, 'location') ?? '').searchParams.get('state') ?? '';
    const done = await browser.get(`/.postern/oidc/a/back?state=${state}`);
    expect(headerOf(done, 'location')).toBe(`${AUTH_ORIGIN}/`);
  });

  it('answers 404 and 405 to what it does not have', async () => {
    const { signIn } = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(signIn);
    for (const path of ['/x', '/.postern/x', '/.postern/saml/a/x', '/.postern/oidc/z/x']) {
      expect((await browser.get(path)).status).toBe(404);
    }
    expect((await browser.post('/', {})).status).toBe(405);
    expect((await browser.post('/.postern/sign-in/a', {})).status).toBe(405);
  });

  it('shows a page when a provider is beyond itself, and logs why', async () => {
    const broken = trustingFlow('a', {
      handle: async () => {
        throw new Error('no such thing');
      },
    });
    const { signIn, log } = signInLab(() => [broken]);
    const page = await new TestBrowser(signIn).get('/.postern/oidc/a/back');
    expect(page.status).toBe(500);
    expect(page.body).not.toContain('no such thing');
    expect(log.join('')).toContain('no such thing');
  });
});

describe('many attempts', () => {
  it('A1 of a thousand wrong callbacks of one address a few are looked at, and others sign in', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const attacker = new TestBrowser(lab.signIn, '198.51.100.9');
    const statuses = new Map<number, number>();
    for (let count = 0; count < 1_000; count += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const { status } = await attacker.get(`/.postern/oidc/a/back?state=${count}`);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      lab.clock.run(60);
    }
    const looked = statuses.get(400) ?? 0;
    expect(looked).toBeLessThanOrEqual(LIMITS.signInBurst + 61 * LIMITS.signInPerSecond);
    expect(statuses.get(429)).toBe(1_000 - looked);
    expect(lab.audit).toHaveLength(looked);
    expect(lab.rows.rows.size).toBe(0);
    await signedIn(new TestBrowser(lab.signIn, '203.0.113.7'));
  });

  it('A1 of a thousand sign-ins that are begun and left a few keep a row', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const attacker = new TestBrowser(lab.signIn, '198.51.100.9');
    for (let count = 0; count < 1_000; count += 1) {
      // oxlint-disable-next-line no-await-in-loop
      await attacker.get('/.postern/sign-in/a');
    }
    expect(lab.rows.rows.size).toBe(LIMITS.signInBurst);
    const last = await attacker.get('/.postern/sign-in/a');
    expect([last.status, headerOf(last, 'retry-after')]).toEqual([429, '60']);
    await signedIn(new TestBrowser(lab.signIn, '203.0.113.7'));
  });
});

describe('signed in', () => {
  it('shows who one is and where else one is signed in', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    const phone = new TestBrowser(lab.signIn, '203.0.113.8');
    phone.headers = { 'user-agent': 'Mozilla/5.0 (iPhone) Safari/604.1' };
    await signedIn(browser);
    await signedIn(phone);
    await signedIn(new TestBrowser(lab.signIn, '203.0.113.9'), 'bob');
    const home = String((await browser.get('/')).body);
    expect(home).toContain('<dd>ann</dd>');
    expect(home).toContain('Safari on iPhone');
    expect(home).toContain('(this one)');
    expect(home).not.toContain('203.0.113.9');
  });

  it('C1 each sign-in has a session of its own, and the one before ends', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    const first = browser.cookies.get('__Host-postern_session') ?? '';
    await signedIn(browser, 'bob');
    expect(lab.sessions.verify(first)).toBeUndefined();

    await signedIn(browser, 'bob');
    expect(lab.sessions.all.size).toBe(2);
    lab.clock.run(LIMITS.sameSignInMs);
    await signedIn(browser, 'bob');
    expect(lab.sessions.all.size).toBe(2);
  });

  it('keeps no more of what a browser calls itself than the limit', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    browser.headers = { 'user-agent': 'x'.repeat(5_000) };
    await signedIn(browser);
    const [session] = lab.sessions.all.values();
    expect(session?.agent).toHaveLength(LIMITS.agentChars);
  });

  it('ends another of its own sessions, and nobody else’s', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    const phone = new TestBrowser(lab.signIn);
    const other = new TestBrowser(lab.signIn);
    await signedIn(browser);
    await signedIn(phone);
    await signedIn(other, 'bob');
    const idOf = (one: TestBrowser) =>
      lab.sessions.verify(one.cookies.get('__Host-postern_session') ?? '')?.id ?? '';
    const [phoneId, otherId] = [idOf(phone), idOf(other)];
    await browser.post('/.postern/sessions/revoke', { session: otherId });
    expect(idOf(other)).toBe(otherId);
    await browser.post('/.postern/sessions/revoke', { session: phoneId }, {});
    expect(idOf(phone)).toBe(phoneId);
    await browser.post('/.postern/sessions/revoke', { session: phoneId });
    expect(idOf(phone)).toBe('');
    expect(lab.audit.at(-1)).toMatchObject({ type: 'logout', detail: { scope: 'elsewhere' } });
  });
});

describe('signing out', () => {
  it('ends the session and takes the cookie', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    expect((await browser.get('/.postern/logout')).body).toContain('<strong>ann</strong>');
    expect(lab.sessions.all.size).toBe(1);
    const out = await browser.post('/.postern/logout', {});
    expect(out.body).toContain('You are signed out');
    expect(lab.sessions.all.size).toBe(0);
    expect(browser.cookies.has('__Host-postern_session')).toBe(false);
    expect(lab.audit.map(({ type }) => type)).toEqual(['login.ok', 'logout']);
  });

  it('on every device ends every session of the person, and no other', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    await signedIn(new TestBrowser(lab.signIn));
    await signedIn(new TestBrowser(lab.signIn), 'bob');
    await browser.post('/.postern/logout', { everywhere: 'yes' });
    expect([...lab.sessions.all.values()].map(({ identity }) => identity.subject)).toEqual(['bob']);
  });

  it('C13 a link, an image or a form of another site signs nobody out', async () => {
    const lab = signInLab(() => [trustingFlow('a')]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    await browser.get('/.postern/logout');
    const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    const asked = await browser.post('/.postern/logout', {}, evil);
    expect(asked.body).toContain('Sign out?');
    await browser.post('/.postern/logout', {}, { 'sec-fetch-site': 'same-site' });
    await browser.post('/.postern/logout', {}, {});
    expect(lab.sessions.all.size).toBe(1);
  });

  it('leads on to the provider from a page, since a form may not be redirected there', async () => {
    const logout = async () => redirect('https://idp.example/end', [['set-cookie', 'x=1']]);
    const lab = signInLab(() => [trustingFlow('a', { logout })]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    const out = await browser.post('/.postern/logout', {});
    expect(out.status).toBe(200);
    expect(out.body).toContain('content="0;url=https://idp.example/end"');
    expect(browser.cookies.get('x')).toBe('1');
  });

  it('works when the provider does not', async () => {
    const logout = async () => Promise.reject(new Error('down'));
    const lab = signInLab(() => [trustingFlow('a', { logout })]);
    const browser = new TestBrowser(lab.signIn);
    await signedIn(browser);
    expect((await browser.post('/.postern/logout', {})).body).toContain('You are signed out');
    expect(lab.sessions.all.size).toBe(0);
  });
});
