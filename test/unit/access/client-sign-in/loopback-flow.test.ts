/** Signing in through a browser on the same machine: the gateway's half of it. */
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { ALICE, clientLab, loopbackAsk, THUMBPRINT } from '../../../support/client-lab.ts';
import { AUTH_ORIGIN, fieldOf, headerOf } from '../../../support/sign-in.ts';

const PATH = '/.postern/client/authorize';

/** Allows a command, and returns where the browser is sent. */
async function allow(lab: ReturnType<typeof clientLab>, ask = loopbackAsk()): Promise<URL> {
  const browser = await lab.signedInBrowser();
  const response = await browser.post(PATH, { ...ask.fields, answer: 'allow' });
  expect(response.status).toBe(303);
  return new URL(headerOf(response, 'location') ?? '');
}

describe('signing in over loopback', () => {
  it('leads to a client session by a code and the secret of the command', async () => {
    const lab = clientLab();
    const ask = loopbackAsk();
    const back = await allow(lab, ask);
    expect(back.origin + back.pathname).toBe('http://127.0.0.1:45678/callback');
    expect(back.searchParams.get('state')).toBe(ask.state);
    const body = { code: back.searchParams.get('code'), verifier: ask.verifier };
    const { status, json, response } = await lab.ask('POST', 'token', { body });
    expect({ status, json }).toEqual({
      status: 200,
      json: {
        token: expect.stringMatching(/^pcl_[\w-]{20,}$/),
        gateway: AUTH_ORIGIN,
        email: ALICE.email,
        expiresAt: lab.clock.wall() + 8 * 3_600_000,
        keys: [THUMBPRINT],
      },
    });
    expect(headerOf(response, 'cache-control')).toBe('no-store');
    expect(lab.audit).toEqual([
      expect.objectContaining({
        type: 'client.login',
        actor: ALICE.email,
        detail: expect.objectContaining({ device: 'laptop', way: 'loopback' }),
      }),
    ]);
  });

  it('L8 shows who asks: device, address and command, and that it must have been oneself', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const query = new URLSearchParams(loopbackAsk().fields).toString();
    const page = await browser.get(`${PATH}?${query}`);
    expect(page.status).toBe(200);
    for (const text of ['laptop', '203.0.113.7', 'postern access login', ALICE.email ?? '']) {
      expect(page.body).toContain(text);
    }
    expect(page.body).toContain('only if you have started it yourself');
    const policy = headerOf(page, 'content-security-policy');
    expect(policy).toContain("form-action 'self' http://127.0.0.1:45678;");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(fieldOf(page, 'challenge')).toHaveLength(43);
  });

  it('L8 gives nothing without an answer, and an error after a no', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const ask = loopbackAsk();
    const response = await browser.post(PATH, { ...ask.fields, answer: 'deny' });
    const back = new URL(headerOf(response, 'location') ?? '');
    expect(Object.fromEntries(back.searchParams)).toEqual({
      error: 'access_denied',
      state: ask.state,
    });
    expect(lab.rows.rows.size).toBe(0);
  });

  it('L6 refuses the code without the secret of the command, and for good', async () => {
    const lab = clientLab();
    const ask = loopbackAsk();
    const code = (await allow(lab, ask)).searchParams.get('code');
    for (const verifier of [loopbackAsk().verifier, '', ask.verifier]) {
      const { status, json } = await lab.ask('POST', 'token', { body: { code, verifier } });
      expect({ status, json }).toEqual({ status: 400, json: { error: 'invalid_grant' } });
    }
  });

  it('takes a code once, of two that come at the same time', async () => {
    const lab = clientLab();
    const ask = loopbackAsk();
    const code = (await allow(lab, ask)).searchParams.get('code');
    const body = { code, verifier: ask.verifier };
    const answers = await Promise.all([
      lab.ask('POST', 'token', { body }),
      lab.ask('POST', 'token', { body }),
    ]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400]));
  });

  it('takes no code after a minute, and none of a session that is over', async () => {
    const lab = clientLab();
    const [late, over] = [loopbackAsk(), loopbackAsk()];
    const lateCode = (await allow(lab, late)).searchParams.get('code');
    lab.clock.run(LIMITS.clientCodeMs);
    const overCode = (await allow(lab, over)).searchParams.get('code');
    for (const { id } of await lab.sessions.list()) await lab.sessions.revoke(id, 'test');
    for (const [code, ask] of [[lateCode, late] as const, [overCode, over] as const]) {
      const body = { code, verifier: ask.verifier };
      expect((await lab.ask('POST', 'token', { body })).status).toBe(400);
    }
    expect(lab.audit).toEqual([]);
  });

  it('L7 takes no answer that another site has the browser send', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const fields = { ...loopbackAsk().fields, answer: 'allow' };
    for (const headers of [
      { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
      {},
      { origin: AUTH_ORIGIN, 'sec-fetch-site': 'same-site' },
    ]) {
      expect((await browser.post(PATH, fields, headers)).status).toBe(403);
    }
    expect(lab.rows.rows.size).toBe(0);
  });

  it('has who is not signed in sign in first, and come back', async () => {
    const lab = clientLab();
    const query = new URLSearchParams(loopbackAsk().fields).toString();
    const page = await lab.browser().get(`${PATH}?${query}`);
    // Without any provider the chooser says so; with one this is its page.
    expect(page.body).toContain('No way to sign in is configured');
    expect((await lab.browser().post(PATH, loopbackAsk().fields)).body).not.toContain('code=');
  });

  it.each([
    ['a port of another protocol', { port: '22' }],
    ['a port that is none', { port: '70000' }],
    ['a port with an address', { port: '4444@evil.test' }],
    ['no port', { port: '' }],
    ['a challenge that is no hash', { challenge: 'plain' }],
    ['no state', { state: '' }],
    ['a state that breaks the line', { state: `${'a'.repeat(20)}\r\nx` }],
    ['a device with control characters', { device: 'a\u001b[2J' }],
    ['a device as long as a letter', { device: 'x'.repeat(LIMITS.clientTextChars + 1) }],
    ['no command', { command: '' }],
  ])('refuses %s', async (_, change) => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const fields = { ...loopbackAsk().fields, ...change };
    const query = new URLSearchParams(fields).toString();
    expect((await browser.get(`${PATH}?${query}`)).status).toBe(400);
    expect((await browser.post(PATH, { ...fields, answer: 'allow' })).status).toBe(400);
    expect(lab.rows.rows.size).toBe(0);
  });
});
