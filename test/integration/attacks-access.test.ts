/**
 * Ways around the gate of a running gateway, in raw bytes: other names, other paths, fields that pose as the gateway's. What
 * the origin receives says who it is, and nobody else can say it. docs/security.md "HTTP".
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { APP, startAttackLab, type AttackLab } from '../support/attack-lab.ts';
import { addUser, CookieBrowser } from '../support/cookie-browser.ts';
import { FRAME } from '../support/http2-bytes.js';
import { headersFrame, FrameClient } from '../support/http2-frames.ts';
import { codeIn, fieldsIn, statusIn } from '../support/raw-client.ts';
import type { RecordedRequest } from '../support/real/recording-origin.ts';

const WIKI = 'wiki.postern.test';
/** `/admin` of it is for staff, the rest for everybody. */
const SHARED = 'shared.postern.test';

let lab: AttackLab;
/** Ann's, at the wiki. */
let cookie: string;

beforeAll(async () => {
  const staff = [{ action: 'allow', include: [{ group: 'staff' }] }];
  const everybody = [{ action: 'bypass', include: ['everyone'] }];
  lab = await startAttackLab({
    hostnames: [WIKI, SHARED],
    config: {
      'identity-providers': [{ id: 'house', type: 'local' }],
      applications: [
        { name: 'wiki', hostname: WIKI, policies: staff },
        { name: 'shared', hostname: SHARED, policies: everybody },
        { name: 'admin', hostname: SHARED, path: '/admin', policies: staff },
      ],
    },
  });
  await addUser(lab.gateway, 'ann', { email: 'ann@postern.test', groups: ['staff'] });
  const browser = new CookieBrowser(lab.gateway);
  const url = `https://${WIKI}:${lab.gateway.ports.https}/`;
  await browser.signIn(await browser.visit(url), 'ann');
  cookie = browser.cookies(WIKI);
});

const head = (hostname: string, target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, `Host: ${hostname}`, ...fields, '', ''].join('\r\n');
const closing = (hostname: string, target: string, ...fields: string[]): string =>
  head(hostname, target, 'Connection: close', ...fields);

/** Sends a request, and returns its answer and what reached the origin. */
async function ask(bytes: string): Promise<{ answer: string; reached: RecordedRequest[] }> {
  let answer = '';
  const reached = await lab.reached(async () => {
    answer = await lab.exchange(bytes);
  });
  return { answer, reached };
}

describe('P12 another name than that of the connection', () => {
  it.each([
    ['another application', APP, WIKI],
    ['a name that is not served', APP, 'nowhere.postern.test'],
    ['the other way round', WIKI, APP],
  ])('is 421: %s', async (_name, servername, host) => {
    const reached = await lab.reached(async () => {
      const client = await lab.connect({ servername });
      const answer = await client.send(head(host, '/', `Cookie: ${cookie}`)).closed();
      expect([statusIn(answer), codeIn(answer)]).toEqual([421, 'HTTP_MISDIRECTED']);
    });
    expect(reached).toEqual([]);
  });

  it.each<[string, [string, string][]]>([
    ['another :authority', [[':authority', WIKI]]],
    [
      'a Host beside :authority',
      [
        [':authority', APP],
        ['host', WIKI],
      ],
    ],
    ['Host alone', [['host', WIKI]]],
  ])('is refused over HTTP/2: %s', async (_name, fields) => {
    const reached = await lab.reached(async () => {
      const { socket } = await lab.connect({ servername: APP, protocol: 'h2' });
      const client = new FrameClient(socket);
      const request = [[':method', 'GET'], [':scheme', 'https'], [':path', '/'], ...fields];
      client.send(headersFrame(1, request as [string, string][]));
      const body = (await client.first(FRAME.data, 1)).payload.toString();
      expect(body).toContain('"status":421');
      client.stream.destroy();
    });
    expect(reached).toEqual([]);
  });
});

describe('what users say in the place of the gateway', () => {
  const NAMES = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Uri',
    'X-Forwarded-User',
    'X-Forwarded-Email',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'Forwarded',
    'X-Real-IP',
    'X-Client-IP',
    'True-Client-IP',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Request-Id',
    'Proxy',
  ];
  const OURS = [
    'Postern-Access-User',
    'Postern-Access-Email',
    'Postern-Access-Groups',
    'Postern-Access-Jwt-Assertion',
    'Postern-Access-Service-Token',
    'Postern-Anything',
    'Cf-Access-Jwt-Assertion',
    'Cf-Access-Authenticated-User-Email',
  ];

  it('P18 is removed, and what the gateway says is there once', async () => {
    const { answer, reached } = await ask(
      closing(
        APP,
        '/',
        ...NAMES.flatMap((name) => [`${name}: evil`, `${name.toLowerCase()}: evil`]),
      ),
    );
    expect(statusIn(answer)).toBe(200);
    const [request] = reached;
    expect(request?.head).not.toContain('evil');
    expect(Object.fromEntries(request?.fields ?? [])).toMatchObject({
      host: [APP],
      'x-forwarded-for': ['127.0.0.1'],
      'x-forwarded-host': [APP],
      'x-forwarded-proto': ['https'],
      'x-request-id': [expect.stringMatching(/^[0-9a-f]{16}$/)],
    });
  });

  it('P19 is removed under every other spelling, also beside who it really is', async () => {
    const spellings = [...NAMES, ...OURS].flatMap((name) => [
      name.replaceAll('-', '_'),
      name.toUpperCase().replaceAll('-', '_'),
      name.replaceAll('-', '.'),
      name.replace('-', '_'),
      name,
      name.toLowerCase(),
    ]);
    const fields = spellings
      // What only names itself would be a credential that is not good.
      .filter((name) => !/^postern.(?:service|access.token)/i.test(name))
      .map((name) => `${name}: evil`);
    const { answer, reached } = await ask(closing(WIKI, '/', `Cookie: ${cookie}`, ...fields));
    expect(statusIn(answer)).toBe(200);
    const [request] = reached;
    expect(request?.head).not.toContain('evil');
    expect(Object.fromEntries(request?.fields ?? [])).toMatchObject({
      'postern-access-user': ['ann'],
      'postern-access-email': ['ann@postern.test'],
      'postern-access-groups': ['staff'],
      'postern-access-jwt-assertion': [expect.stringMatching(/^ey/)],
    });
    expect(request?.head).not.toContain('__Host-');
  });

  it('P19 with a space behind the name is 400', async () => {
    const { answer, reached } = await ask(closing(APP, '/', 'Postern-Access-User : root'));
    expect([statusIn(answer), reached]).toEqual([400, []]);
  });

  it('P20 cannot be taken away by Connection, which takes away what it lists of the user', async () => {
    const listed = 'Connection: close, X-Hop, cookie-hop, X-Access-User';
    const fields = ['X-Hop: evil', 'Cookie-Hop: evil', 'X-Access-User: evil', 'X-Kept: yes'];
    const { reached } = await ask(head(WIKI, '/', listed, `Cookie: ${cookie}`, ...fields));
    const [request] = reached;
    expect(request?.head).not.toContain('evil');
    expect(Object.fromEntries(request?.fields ?? [])).toMatchObject({
      'x-kept': ['yes'],
      'postern-access-user': ['ann'],
      'x-forwarded-for': ['127.0.0.1'],
    });
  });
});

describe('a path that is for staff', () => {
  it.each([
    '/admin',
    '/admin/',
    '/admin/x',
    '//admin',
    '/./admin',
    '/x/../admin',
    '/../admin',
    '/x/%2e%2e/admin',
    '/x/.%2E/admin',
    '/%61dmin',
    '/%2561dmin',
    '/admin%2f',
    '/%2fadmin',
    '/x%2f..%2fadmin',
    '/admin;x',
    '/;/admin',
    '/x/..;/admin',
    '/admin%3bx',
    '/admin%00',
    '/admin%00/x',
    '/x%00/../admin',
    '/admin%0a',
    '/admin%5cx',
    '/x/..%5cadmin',
    '/admin%c0%afx',
    '/%c0%ae%c0%ae/admin',
    '/admin/.',
    '/admin/..',
    '/x//../admin',
    '/admin%zz',
    '/admin%',
    '/x/%252e%252e/admin',
  ])('P21 is not reached by %s', async (path) => {
    const { answer, reached } = await ask(closing(SHARED, path));
    expect([401, 403]).toContain(statusIn(answer));
    expect(reached).toEqual([]);
  });

  it('P21 does not keep others from the rest, which reaches the origin as it was sent', async () => {
    for (const path of ['/', '/administrator', '/a%20b/c', '/~x/', '/%E2%82%AC', "/a'(b)*"]) {
      const { reached } = await ask(closing(SHARED, path));
      expect(reached.map(({ target }) => target)).toEqual([path]);
    }
  });

  it.each(['/admin?x=/public', '/admin/?/../public', '/admin?', '/admin??', '/admin/x?//shared/'])(
    'P23 is not reached by %s',
    async (target) => {
      const { answer, reached } = await ask(closing(SHARED, target));
      expect([statusIn(answer), reached]).toEqual([401, []]);
    },
  );

  it('P23 is nothing that a query could ask for', async () => {
    const { reached } = await ask(closing(SHARED, '/public?x=/../admin&y=//admin;z\\'));
    expect(reached).toHaveLength(1);
  });

  it.each([
    'User-Agent: GoogleHC/1.0',
    'User-Agent: kube-probe/1.31',
    'User-Agent: ELB-HealthChecker/2.0',
    'X-Original-URL: /public',
    'X-Forwarded-Uri: /public',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Host: app.postern.test',
    'Referer: https://shared.postern.test/',
    'Authorization: Basic YWRtaW46YWRtaW4=',
    'Authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
    'X-Api-Key: x',
    'X-Requested-With: XMLHttpRequest',
    'Sec-Fetch-Site: same-origin',
    'X-HTTP-Method-Override: OPTIONS',
  ])('P24 is not reached by a field alone: %s', async (field) => {
    const { answer, reached } = await ask(closing(SHARED, '/admin', field));
    expect([statusIn(answer), reached]).toEqual([401, []]);
  });

  it.each(['OPTIONS', 'HEAD', 'POST', 'PROPFIND', 'QUERY'])(
    'P24 is not reached by a method: %s',
    async (method) => {
      const { answer, reached } = await ask(closing(SHARED, '/admin').replace('GET', method));
      expect(statusIn(answer)).toBeGreaterThanOrEqual(400);
      expect(reached).toEqual([]);
    },
  );
});

describe('P25 an origin that speaks for the gateway', () => {
  it('sets no cookie of it, in whatever case, and may set its own', async () => {
    const name = cookie.split('=', 1).join();
    const fields = [
      `Set-Cookie: ${name}=stolen; Path=/; Secure`,
      `set-cookie: ${name.toUpperCase()}=stolen; Path=/; Secure`,
      'Set-Cookie: __Host-postern_session=stolen; Path=/; Secure',
      'Set-Cookie: app=own',
      'Set-Cookie: second=own',
    ];
    const response = ['HTTP/1.1 200 OK', 'Content-Length: 0', ...fields, '', ''].join('\r\n');
    lab.origin.answer('/cookies', response);
    const answer = await lab.exchange(closing(APP, '/cookies'));
    expect(fieldsIn(answer).get('set-cookie')).toEqual(['app=own', 'second=own']);
    expect(answer).not.toContain('stolen');
  });

  it('does not decide about the connection', async () => {
    const hop = ['Connection: close, X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=1', 'Upgrade: h2c'];
    const framing = ['Trailer: X-T', 'Proxy-Authenticate: Basic', 'Content-Length: 2'];
    const response = ['HTTP/1.1 200 OK', ...hop, ...framing, '', 'ok'].join('\r\n');
    lab.origin.answer('/hop', (socket) => socket.end(response));
    const client = await lab.connect();
    await client.send(head(APP, '/hop')).sees(/\r\n\r\nok$/);
    expect([...fieldsIn(client.text).keys()]).toEqual(
      expect.not.arrayContaining(['x-hop', 'upgrade', 'trailer', 'proxy-authenticate']),
    );
    // The user's connection goes on.
    await client.send(head(APP, '/again')).sees(/ok$/);
  });
});

describe('P26 what must not be kept for others', () => {
  it.each([
    ['a visit that is led to sign in', 'Accept: text/html'],
    ['a program that is told to', 'Accept: application/json'],
    ['a script', 'Sec-Fetch-Mode: cors'],
  ])('is marked: %s', async (_name, field) => {
    const { answer } = await ask(closing(WIKI, '/', field));
    expect([302, 303, 401]).toContain(statusIn(answer));
    expect(fieldsIn(answer).get('cache-control')).toEqual([expect.stringMatching(/\bno-store\b/)]);
  });

  it('is marked on the way through the sign-in, too', async () => {
    const browser = new CookieBrowser(lab.gateway);
    const page = await browser.visit(`https://${WIKI}:${lab.gateway.ports.https}/`);
    expect(page.headers['cache-control']).toMatch(/\bno-store\b/);
    for (const url of page.way) {
      const { headers } = await browser.ask(url);
      expect([url, headers['cache-control']]).toEqual([url, expect.stringMatching(/\bno-store\b/)]);
    }
  });
});
