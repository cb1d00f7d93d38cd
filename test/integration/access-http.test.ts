/**
 * Sessions and tokens on the HTTP path, through a whole gateway: from the first visit to the origin's view of who it is, and
 * what is refused on the way. C1–C18 of docs/security.md.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';

import { addUser, CookieBrowser, type Visit } from '../support/cookie-browser.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';

const WIKI = 'wiki.postern.test';
const PAYROLL = 'payroll.postern.test';
const OPEN = 'open.postern.test';
const API = 'api.postern.test';
const AUTH = 'auth.postern.test';

let gateway: Gateway;
let web: HttpOrigin;

beforeAll(async () => {
  web = await startHttpOrigin();
  const staff = [{ action: 'allow', include: [{ group: 'staff' }] }];
  gateway = await startGateway({
    config: {
      'default-policy': undefined,
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'wiki', hostname: WIKI, policies: staff },
        { name: 'payroll', hostname: PAYROLL, policies: staff },
        { name: 'open', hostname: OPEN, policies: [{ action: 'bypass', include: ['everyone'] }] },
        {
          name: 'api',
          hostname: API,
          policies: [{ action: 'service-auth', include: [{ 'service-token': 'any' }] }],
        },
      ],
    },
  });
  const hostnames = [WIKI, PAYROLL, OPEN, API];
  const tunnel = await gateway.createTunnel('all', ['*.postern.test']);
  await startConnector({
    gateway,
    tunnel,
    ingress: hostnames.map((hostname) => ({ hostname, service: web.service })),
  });
  await addUser(gateway, 'ann', { email: 'ann@postern.test', groups: ['staff', 'ops team'] });
  await addUser(gateway, 'bob', { email: 'bob@postern.test' });
});

function url(hostname: string, path = '/echo'): string {
  return `https://${hostname}:${gateway.ports.https}${path}`;
}

/** The header fields that the origin of /echo received, names in lower case. */
function seenByOrigin({ body }: { readonly body: Buffer }): [string, string][] {
  const { rawHeaders }: { rawHeaders: string[] } = JSON.parse(body.toString());
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? '']] : [],
  );
}

describe('a browser', () => {
  it('is led to sign in, back to where it was going, and the origin learns who it is', async () => {
    const browser = new CookieBrowser(gateway);
    const page = await browser.visit(url(WIKI, '/echo?a=b%20c'));
    expect(new URL(page.url).host).toBe(`${AUTH}:${gateway.ports.https}`);
    const home: Visit = await browser.signIn(page, 'ann');
    expect(home.url).toBe(url(WIKI, '/echo?a=b%20c'));
    expect(home.status).toBe(200);
    const seen = new Map(seenByOrigin(home));
    expect(seen.get('postern-access-email')).toBe('ann@postern.test');
    expect(seen.get('postern-access-user')).toBe('ann');
    expect(seen.get('postern-access-groups')).toBe('staff,ops team');
    const assertion = seen.get('postern-access-jwt-assertion') ?? '';
    const { body } = await gateway.fetch(AUTH, '/.postern/jwks.json');
    const { keys } = JSON.parse(body.toString());
    const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys }), {
      audience: 'wiki',
    });
    expect(payload).toMatchObject({
      sub: 'ann',
      email: 'ann@postern.test',
      groups: ['staff', 'ops team'],
    });
    expect(decodeJwt(assertion).iss).toBe(`https://${AUTH}:${gateway.ports.https}`);
  });
});

describe('what is no credential', () => {
  it('C4 the app token of one application is worth nothing at another', async () => {
    const browser = await signedIn();
    const [pair = ''] = browser.cookies(WIKI).split('; ').filter(isAppCookie);
    expect((await gateway.fetch(WIKI, '/echo', { headers: { cookie: pair } })).status).toBe(200);
    expect((await gateway.fetch(PAYROLL, '/echo', { headers: { cookie: pair } })).status).toBe(401);
    const token = pair.slice(pair.indexOf('=') + 1);
    for (const headers of [
      { 'postern-access-token': token },
      { authorization: `Bearer ${token}` },
    ]) {
      expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(200);
      expect((await gateway.fetch(PAYROLL, '/echo', { headers })).status).toBe(401);
    }
  });

  it('C5 the session of the auth host is worth nothing at an application', async () => {
    const browser = await signedIn();
    const secret = browser.jar(AUTH).get('__Host-postern_session') ?? '';
    expect(secret).toMatch(/^pse_/);
    for (const headers of [
      { cookie: `__Host-postern_session=${secret}` },
      { cookie: browser.cookies(WIKI).replace(/=.*/, `=${secret}`) },
      { authorization: `Bearer ${secret}` },
      { 'postern-access-token': secret },
    ]) {
      expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(401);
    }
  });

  it('C8 a service token is no user, and a user no service token', async () => {
    const created = await gateway.json('gateway', 'service-token', 'create', 'ci');
    const { id, secret } = created as { id: string; secret: string };
    const machine = { 'postern-service-token-id': id, 'postern-service-token-secret': secret };
    await eventually(
      async () => (await gateway.fetch(API, '/echo', { headers: machine })).status === 200,
    );
    expect((await gateway.fetch(WIKI, '/echo', { headers: machine })).status).toBe(403);
    const token = tokenOf(await signedIn());
    for (const headers of [
      { ...machine, 'postern-service-token-secret': token },
      { 'postern-service-token-id': id },
      { 'postern-service-token-secret': secret },
      { 'postern-access-token': secret },
      { 'postern-access-token': token },
    ]) {
      const refused = await gateway.fetch(API, '/echo', {
        headers: { accept: 'text/html', ...headers },
      });
      expect(refused.status).toBe(401);
      expect(refused.headers.location).toBeUndefined();
    }
    const seen = seenByOrigin(await gateway.fetch(API, '/echo', { headers: machine }));
    expect(JSON.stringify(seen)).not.toContain(secret);
    expect(new Map(seen).get('postern-access-service-token')).toBe('ci');
    expect(decodeJwt(new Map(seen).get('postern-access-jwt-assertion') ?? '')).toMatchObject({
      aud: 'api',
      service_token: 'ci',
    });
  });

  it('C6 a token that was changed is worth nothing', async () => {
    const token = tokenOf(await signedIn());
    const [head = '', body = '', signature = ''] = token.split('.');
    const none = Buffer.from('{"alg":"none","typ":"postern-app+jwt"}').toString('base64url');
    for (const forged of [
      `${none}.${body}.`,
      `${head}.${body}.`,
      `${head}.${body}x.${signature}`,
    ]) {
      const headers = { 'postern-access-token': forged };
      expect((await gateway.fetch(WIKI, '/echo', { headers })).status).toBe(401);
    }
  });
});

describe('what an origin sees', () => {
  it('C3 no cookie of ours, however it is written, and all others', async () => {
    const browser = await signedIn();
    const cookie = [
      'theme=dark',
      browser.cookies(WIKI),
      '__HOST-Postern_App_0123456789ab=odd-case',
      '__Host-postern_app_0123456789ab_1=split',
      '__Host-postern_session=tossed',
      'lang=en',
    ].join(';  ');
    const answer = await gateway.fetch(WIKI, '/echo', { headers: { cookie } });
    expect(new Map(seenByOrigin(answer)).get('cookie')).toBe('theme=dark; lang=en');
    const only = await gateway.fetch(WIKI, '/echo', { headers: { cookie: browser.cookies(WIKI) } });
    expect(new Map(seenByOrigin(only)).has('cookie')).toBe(false);
  });

  it('C2 a cookie of our name that a sibling host tossed changes nothing', async () => {
    const browser = await signedIn();
    const [pair = ''] = browser.cookies(WIKI).split('; ').filter(isAppCookie);
    const [name = ''] = pair.split('=');
    // What a browser would send for a cookie with Domain=postern.test: another name, since `__Host-` forbids Domain.
    const tossed = `${name.replace('__Host-', '')}=evil; ${name.toLowerCase()}=evil; ${pair}`;
    const answer = await gateway.fetch(WIKI, '/echo', { headers: { cookie: tossed } });
    expect(answer.status).toBe(200);
    expect(new Map(seenByOrigin(answer)).get('postern-access-email')).toBe('ann@postern.test');
  });

  it('no identity but ours, and none where nobody signs in', async () => {
    const spoofed = {
      'postern-access-email': 'root@postern.test',
      postern_access_user: 'root',
      'Postern-Access-Groups': 'admins',
      'cf-access-jwt-assertion': 'x',
      'postern-access-jwt-assertion': 'x',
    };
    const open = seenByOrigin(await gateway.fetch(OPEN, '/echo', { headers: spoofed }));
    expect(open.filter(([name]) => /access/i.test(name))).toEqual([]);
    const headers = { ...spoofed, cookie: (await signedIn()).cookies(WIKI) };
    const seen = seenByOrigin(await gateway.fetch(WIKI, '/echo', { headers }));
    const mail = seen.filter(([name]) => name.replaceAll('_', '-') === 'postern-access-email');
    expect(mail).toEqual([['postern-access-email', 'ann@postern.test']]);
    expect(JSON.stringify(seen)).not.toMatch(/root|admins/);
  });

  it("an app token in Authorization stays here, and an application's own credential goes on", async () => {
    const token = tokenOf(await signedIn());
    const ours = await gateway.fetch(WIKI, '/echo', {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(new Map(seenByOrigin(ours)).has('authorization')).toBe(false);
    const headers = { authorization: 'Bearer of-the-origin', 'postern-access-token': token };
    const own = await gateway.fetch(WIKI, '/echo', { headers });
    expect(new Map(seenByOrigin(own)).get('authorization')).toBe('Bearer of-the-origin');
    expect(JSON.stringify(seenByOrigin(own))).not.toContain(token);
  });
});

describe('without a session', () => {
  const visit = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

  it.each([
    ['a script', 'GET', { ...visit, 'sec-fetch-mode': 'cors' }],
    ['an old script', 'GET', { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest' }],
    ['a program', 'GET', { accept: '*/*' }],
    ['a form', 'POST', visit],
    ['a deletion', 'DELETE', visit],
  ])('C16 %s gets 401 in JSON or a page, and never a redirect', async (_, method, headers) => {
    const answer = await gateway.fetch(WIKI, '/echo', { method, headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.location).toBeUndefined();
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.body.toString()).toContain('ACCESS_SIGN_IN');
  });

  it('C16 twenty tabs that sign in at once all arrive, with one cookie of each kind', async () => {
    const browser = new CookieBrowser(gateway);
    const pages = [];
    for (let tab = 0; tab < 20; tab += 1)
      pages.push(await browser.visit(url(WIKI, `/echo?tab=${tab}`)));
    const homes = [];
    for (const page of pages) homes.push(await browser.signIn(page, 'ann'));
    expect(homes.map(({ status }) => status)).toEqual(homes.map(() => 200));
    expect(homes.map((home) => home.url)).toEqual(
      homes.map((_, tab) => url(WIKI, `/echo?tab=${tab}`)),
    );
    expect(browser.jar(WIKI).size).toBe(2);
  });

  it('O24 a path that could lead elsewhere leads to the start', async () => {
    const browser = new CookieBrowser(gateway);
    for (const path of ['//evil.example/', '/%5cevil.example', '/\\evil.example']) {
      const answer = await browser.ask(url(WIKI, '/'), {});
      expect(answer.status).toBe(302);
      const raw = await gateway.fetch(WIKI, path, { headers: visit });
      if (raw.status === 400) continue;
      const to = new URL(raw.headers.location ?? '', url(AUTH));
      expect(to.host).toBe(new URL(url(AUTH)).host);
      expect(to.searchParams.get('return')).toMatch(/^\/(?![/\\])/);
    }
  });

  it('a code is good once, in the browser and at the host that it was made for', async () => {
    const [browser, other] = [await signedIn(), new CookieBrowser(gateway)];
    // Where somebody else's sign-in was on its way to, done by a browser that is signed in.
    const { way } = await other.visit(url(WIKI));
    const callback = (await browser.ask(way[1] ?? '')).headers.location ?? '';
    const code = new URL(callback).searchParams.get('code') ?? '';
    expect((await gateway.fetch(WIKI, `/.postern/callback?code=${code}`)).status).toBe(400);
    const leave = async (): Promise<string> => {
      const authorize = (await browser.ask(url(PAYROLL))).headers.location ?? '';
      return (await browser.ask(authorize)).headers.location ?? '';
    };
    expect((await browser.ask((await leave()).replace(PAYROLL, WIKI))).status).toBe(400);
    const good = await leave();
    const arrived = await browser.ask(good);
    expect(arrived.headers['set-cookie']).toHaveLength(1);
    expect((await browser.ask(good)).status).toBe(400);
  });

  it('O3 a code of one browser gives another one no token', async () => {
    const [mallory, ann] = [await signedIn('bob'), new CookieBrowser(gateway)];
    await ann.visit(url(WIKI));
    const { way } = await new CookieBrowser(gateway).visit(url(PAYROLL));
    const authorize = (way[1] ?? '').replace('payroll', 'wiki').replace(PAYROLL, WIKI);
    const callback = (await mallory.ask(authorize)).headers.location;
    // Bob is not let in at all; and with a code of Ann's own, another browser gets nothing either.
    expect(callback).toBeUndefined();
    const own = await signedIn();
    const [, toAuthorize = ''] = (await new CookieBrowser(gateway).visit(url(WIKI))).way;
    const stolen = (await own.ask(toAuthorize)).headers.location ?? '';
    const answer = await ann.ask(stolen);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(ann.cookies(WIKI)).not.toContain('_app_');
  });
});

describe('/.postern/', () => {
  it('C14 identity says who one is and holds no token', async () => {
    const browser = await signedIn();
    for (const hostname of [WIKI, AUTH]) {
      const answer = await browser.ask(url(hostname, '/.postern/identity'));
      const identity: unknown = JSON.parse(answer.body.toString());
      expect(identity).toMatchObject({ email: 'ann@postern.test', provider: 'house' });
      expect(Object.keys(identity ?? {}).toSorted()).toEqual([
        'authenticatedAt',
        'email',
        'expiresAt',
        'groups',
        'methods',
        'name',
        'provider',
        'subject',
      ]);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    expect((await gateway.fetch(WIKI, '/.postern/identity')).status).toBe(401);
  });

  it('C13 logout on an application asks at the auth host; C9 once it is done, the next request gets 401', async () => {
    const browser = await signedIn();
    const asked = await browser.visit(url(WIKI, '/.postern/logout'));
    expect(asked.url).toBe(url(AUTH, '/.postern/logout'));
    expect((await browser.ask(url(WIKI))).status).toBe(200);
    await browser.post(url(AUTH, '/.postern/logout'), {});
    // C9: at once.
    expect(
      (await gateway.fetch(WIKI, '/echo', { headers: { cookie: browser.cookies(WIKI) } })).status,
    ).toBe(401);
  });

  it('is never passed on to an origin', async () => {
    const { requests } = await web.stats();
    for (const path of ['/.postern', '/.postern/', '/.postern/echo', '/.postern/callback?code=x']) {
      expect((await gateway.fetch(OPEN, path)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await web.stats()).requests).toBe(requests);
  });

  it('A1 a body that is too large is refused, and no sign-in is asked about it', async () => {
    const body = 'x'.repeat(300 * 1024);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const path = '/.postern/local/house/password';
    const answer = await gateway.fetch(AUTH, path, { method: 'POST', headers, body });
    expect(answer.status).toBe(413);
  });
});

describe('the logs', () => {
  it('A4 the access log says of each decision who, where, by what and why, and A8 no secret', async () => {
    const browser = await signedIn();
    await browser.ask(url(WIKI, '/echo?canary-in-query'));
    const bob = await signedIn('bob');
    await bob.ask(url(WIKI));
    const [allowed, denied] = await eventually(() => {
      const lines = gateway.log.filter(({ hostname }) => hostname === WIKI);
      const one = lines.findLast(({ decision }) => decision === 'allow');
      const other = lines.findLast(({ user }) => user === 'bob@postern.test');
      if (one === undefined || other === undefined) throw new Error('no line yet');
      return [one, other];
    });
    expect(allowed).toMatchObject({
      user: 'ann@postern.test',
      sessionId: expect.any(String),
      application: 'wiki',
      policy: 'policy 1',
      accessReason: 'allowed-by-policy',
      client: '127.0.0.1',
      requestId: expect.any(String),
    });
    expect(denied).toMatchObject({
      user: 'bob@postern.test',
      decision: 'deny',
      accessReason: 'no-policy-matched',
    });
    const { stdout } = await gateway.cli('gateway', 'audit', 'export');
    const secrets = [...browser.jars.values()].flatMap((jar) => [...jar.values()]);
    for (const secret of secrets) {
      expect(stdout).not.toContain(secret);
      expect(JSON.stringify(gateway.log)).not.toContain(secret);
    }
  });

  it('A5 one event each for a sign-in, its session, its tokens and a denial', async () => {
    const events = async (): Promise<string[]> => {
      const { stdout } = await gateway.cli('gateway', 'audit', 'export');
      return stdout.split('\n').flatMap((line) => /"type":"([^"]+)"/.exec(line)?.[1] ?? []);
    };
    const before = (await events()).length;
    const browser = await signedIn('ann', PAYROLL);
    await browser.ask(url(PAYROLL));
    const since = (await events()).slice(before);
    expect(since.toSorted()).toEqual(['login.ok', 'session.create', 'token.issue']);
  });
});

async function signedIn(name = 'ann', hostname = WIKI): Promise<CookieBrowser> {
  const browser = new CookieBrowser(gateway);
  await browser.signIn(await browser.visit(url(hostname)), name);
  return browser;
}

function isAppCookie(pair: string): boolean {
  return pair.startsWith('__Host-postern_app_');
}

/** The app token of a browser at the wiki. */
function tokenOf(browser: CookieBrowser): string {
  const [pair = ''] = browser.cookies(WIKI).split('; ').filter(isAppCookie);
  return pair.slice(pair.indexOf('=') + 1);
}
