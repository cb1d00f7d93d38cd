/** What the secret of a client session is good for, and what it is not. */
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import {
  ALICE,
  CLIENT_SESSION_MS,
  clientLab,
  loopbackAsk,
  THUMBPRINT,
  type ClientLab,
} from '../../../support/client-lab.ts';
import { AUTH_ORIGIN, headerOf } from '../../../support/sign-in.ts';

/** The secret of a client session of ALICE. */
async function signIn(lab: ClientLab): Promise<string> {
  const ask = loopbackAsk();
  const browser = await lab.signedInBrowser();
  const answer = await browser.post('/.postern/client/authorize', {
    ...ask.fields,
    answer: 'allow',
  });
  const code = new URL(headerOf(answer, 'location') ?? '').searchParams.get('code');
  const { json } = await lab.ask('POST', 'token', { body: { code, verifier: ask.verifier } });
  return String(json['token']);
}

describe('a client session', () => {
  it('tells who one is, and ends by signing out', async () => {
    const lab = clientLab();
    const token = await signIn(lab);
    expect((await lab.ask('GET', 'whoami', { token })).json).toEqual({
      gateway: AUTH_ORIGIN,
      email: ALICE.email,
      provider: 'local',
      groups: ['staff'],
      expiresAt: expect.any(Number),
      keys: [THUMBPRINT],
    });
    expect((await lab.ask('POST', 'logout', { token })).status).toBe(200);
    const after = await lab.ask('GET', 'whoami', { token });
    expect([after.status, after.json['code']]).toEqual([401, 'ACCESS_SIGN_IN']);
    expect(lab.audit.map(({ type }) => type)).toEqual(['client.login', 'logout']);
  });

  it('lasts from when its user signed in, and no browser that signed in long ago begins one', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    lab.clock.run(CLIENT_SESSION_MS / 2);
    const ask = loopbackAsk();
    const fields = { ...ask.fields, answer: 'allow' };
    const answer = await browser.post('/.postern/client/authorize', fields);
    const code = new URL(headerOf(answer, 'location') ?? '').searchParams.get('code');
    const { json } = await lab.ask('POST', 'token', { body: { code, verifier: ask.verifier } });
    const client = lab.sessions.verify(String(json['token']));
    expect(client?.authenticatedAt).toBe(browser.session?.createdAt);
    lab.clock.run(CLIENT_SESSION_MS / 2 - 60_000);
    const page = await browser.post('/.postern/client/authorize', fields);
    expect([page.status, page.body]).toEqual([200, expect.stringContaining('Sign in')]);
    expect(headerOf(page, 'location')).toBeUndefined();
  });

  it('C17 has no refresh token, which only one session may use', async () => {
    const lab = clientLab();
    const browser = await lab.signedInBrowser();
    const provider = { refreshToken: 'r', sid: 's' };
    await lab.sessions.refresh(browser.session?.id ?? '', ALICE, provider);
    const ask = loopbackAsk();
    const fields = { ...ask.fields, answer: 'allow' };
    const answer = await browser.post('/.postern/client/authorize', fields);
    const code = new URL(headerOf(answer, 'location') ?? '').searchParams.get('code');
    const { json } = await lab.ask('POST', 'token', { body: { code, verifier: ask.verifier } });
    expect(lab.sessions.verify(String(json['token']))?.provider).toEqual({
      sid: 's',
      browserSession: browser.session?.id,
    });
  });

  it('C5 is not to be had with the secret of a browser, nor the pages with that of a client', async () => {
    const lab = clientLab();
    const token = await signIn(lab);
    const browserSecret = [...lab.sessions.all.values()].find(
      ({ kind }) => kind === 'browser',
    )?.secret;
    for (const wrong of [browserSecret ?? '', `pcl_${browserSecret}`, 'pcl_', '', `${token}x`]) {
      expect((await lab.ask('GET', 'whoami', { token: wrong })).status).toBe(401);
    }
    const browser = lab.browser();
    browser.cookies.set('__Host-postern_session', token);
    const page = await browser.get(
      `/.postern/client/authorize?${new URLSearchParams(loopbackAsk().fields).toString()}`,
    );
    expect(page.body).not.toContain('name="challenge"');
  });

  it('gives a token for an application that its user may use', async () => {
    const lab = clientLab();
    lab.verdicts.set('wiki.postern.test', 'allow');
    const token = await signIn(lab);
    const body = { hostname: 'Wiki.Postern.test', path: '/a' };
    const { status, json } = await lab.ask('POST', 'app-token', { token, body });
    expect({ status, json }).toEqual({
      status: 200,
      json: {
        needs: 'sign-in',
        token: 'app-token-for-wiki.postern.test-of-alice',
        expiresAt: expect.any(Number),
        application: 'wiki',
      },
    });
    expect(lab.audit.at(-1)).toMatchObject({
      type: 'token.issue',
      actor: ALICE.email,
      hostname: 'wiki.postern.test',
      detail: { application: 'wiki' },
    });
    expect(lab.asks.at(-1)).toMatchObject({
      hostname: 'wiki.postern.test',
      path: '/a',
      session: { identity: ALICE },
    });
  });

  it('gives none where the policy says no, and says nothing of a route there', async () => {
    const lab = clientLab();
    lab.offline.set('secret.postern.test', 'ROUTE_NO_REPLICA');
    const token = await signIn(lab);
    const body = { hostname: 'secret.postern.test' };
    const { status, json } = await lab.ask('POST', 'app-token', { token, body });
    expect([status, json['code']]).toEqual([403, 'ACCESS_DENIED']);
  });

  it.each([
    ['sign-in', 401, 'ACCESS_SIGN_IN'],
    ['purpose', 403, 'ACCESS_PURPOSE'],
  ] as const)('gives none where the gate says %j', async (verdict, wanted, code) => {
    const lab = clientLab();
    lab.verdicts.set('wiki.postern.test', verdict);
    const token = await signIn(lab);
    const body = { hostname: 'wiki.postern.test', purpose: ' to fix it ' };
    const { status, json } = await lab.ask('POST', 'app-token', { token, body });
    expect([status, json['code']]).toEqual([wanted, code]);
    expect(lab.asks.at(-1)?.purpose).toBe('to fix it');
  });

  it('gives none for an application that wants no name, and none where nothing answers', async () => {
    const lab = clientLab();
    for (const hostname of ['open.postern.test', 'gone.postern.test', 'off.postern.test']) {
      lab.verdicts.set(hostname, 'open');
    }
    lab.offline.set('gone.postern.test', 'ROUTE_NOT_FOUND');
    lab.offline.set('off.postern.test', 'ROUTE_NO_REPLICA');
    const token = await signIn(lab);
    const answers = await Promise.all(
      ['open', 'gone', 'off'].map(async (name) =>
        lab.ask('POST', 'app-token', { token, body: { hostname: `${name}.postern.test` } }),
      ),
    );
    expect(answers.map(({ status, json }) => [status, json['code'] ?? json['needs']])).toEqual([
      [200, 'none'],
      [404, 'ROUTE_NOT_FOUND'],
      [503, 'ROUTE_NO_REPLICA'],
    ]);
    expect(answers[0]?.json).not.toHaveProperty('token');
  });

  it('A1 is not to be guessed: bad secrets of one address are 429 in the end, others go on', async () => {
    const lab = clientLab();
    const token = await signIn(lab);
    const statuses: number[] = [];
    for (let n = 0; n < 1_000; n += 1) {
      const wrong = { token: `pcl_${String(n).padStart(32, 'x')}`, address: '192.0.2.66' };
      statuses.push((await lab.ask('GET', 'whoami', wrong)).status);
    }
    expect(statuses.filter((status) => status === 401).length).toBe(LIMITS.signInBurst);
    expect((await lab.ask('GET', 'whoami', { token })).status).toBe(200);
  });
});

describe('what an application needs', () => {
  it('is told without a session, and no more of it than a browser would learn', async () => {
    const lab = clientLab();
    lab.verdicts.set('open.postern.test', 'open');
    lab.verdicts.set('wiki.postern.test', 'sign-in');
    const answers = await Promise.all(
      ['open', 'wiki', 'other'].map(async (name) =>
        lab.ask('GET', `access?hostname=${name}.postern.test`),
      ),
    );
    expect(answers.map(({ json }) => json)).toEqual([
      { needs: 'none' },
      { needs: 'sign-in' },
      { needs: 'permission' },
    ]);
  });

  it.each(['', '?hostname=', '?hostname=*.postern.test', '?hostname=a%20b', '?hostname=-x/..'])(
    'is not told for %j',
    async (query) => {
      expect((await clientLab().ask('GET', `access${query}`)).status).toBe(400);
    },
  );
});

describe('the endpoints of clients', () => {
  it.each([
    ['GET', 'nothing'],
    ['GET', ''],
    ['DELETE', 'token'],
    ['GET', 'token'],
    ['GET', '../../x'],
  ])('have nothing at %s %s', async (method, path) => {
    expect((await clientLab().ask(method, path)).status).toBe(404);
  });

  it.each([
    ['no body', undefined],
    ['a list', []],
    ['null', null],
    ['a code that is none', { code: 7 }],
    ['a body beyond the limit', { code: 'x'.repeat(LIMITS.clientBodyBytes) }],
  ])('take %s for a bad request', async (_, body) => {
    const { status, json } = await clientLab().ask('POST', 'token', { body });
    expect([status, json['code']]).toEqual([400, 'HTTP_BAD_REQUEST']);
  });

  it('keep no secret in the log or the audit', async () => {
    const lab = clientLab();
    const token = await signIn(lab);
    await lab.ask('POST', 'logout', { token });
    expect(JSON.stringify([lab.log, lab.audit])).not.toContain(token.slice(4));
  });
});
