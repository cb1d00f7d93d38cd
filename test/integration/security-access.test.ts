/**
 * Who gets in without having signed in: only what a `bypass` for everyone, or `default-policy: public`, lets in.
 * Whoever is refused learns nothing but that, and no origin hears of it. And what is not for users is not on the public
 * listeners (C15 of docs/security.md).
 */
import { connect } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Answer, type Gateway } from '../support/gateway.ts';
import { exchangeBytes } from '../support/link-bytes.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { askEcho } from '../support/steady-requests.ts';

const EVERYONE = { include: ['everyone'] };

/** One application for each way of not being let in. */
const REFUSING: Readonly<Record<string, readonly object[] | undefined>> = {
  'no-policies.postern.test': undefined,
  'allow.postern.test': [
    {
      action: 'allow',
      include: [{ 'email-domain': 'postern.test' }],
      require: [{ group: 'staff' }],
    },
  ],
  'allow-all.postern.test': [{ action: 'allow', ...EVERYONE }],
  'service.postern.test': [{ action: 'service-auth', ...EVERYONE }],
  'deny-first.postern.test': [
    { action: 'deny', ...EVERYONE },
    { action: 'bypass', ...EVERYONE },
  ],
  'bypass-some.postern.test': [{ action: 'bypass', include: [{ email: 'ann@postern.test' }] }],
  'bypass-require.postern.test': [{ action: 'bypass', ...EVERYONE, require: [{ group: 'staff' }] }],
  'bypass-exclude.postern.test': [
    { action: 'bypass', ...EVERYONE, exclude: [{ email: 'eve@postern.test' }] },
  ],
  // More specific than the wildcard that lets everybody in.
  'secret.open.postern.test': [],
};
/** Those where a sign-in could help. */
const SIGN_IN = new Set([
  'allow.postern.test',
  'allow-all.postern.test',
  'bypass-some.postern.test',
  'bypass-require.postern.test',
  'bypass-exclude.postern.test',
]);
const OPEN = 'bypass.postern.test';

let gateway: Gateway;
let web: HttpOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
  const refusing = Object.entries(REFUSING).map(([hostname, policies]) => ({
    name: `secret-name-of-${hostname.split('.')[0]}`,
    hostname,
    ...(policies !== undefined && { policies }),
  }));
  const opening = [OPEN, 'tcp-open.postern.test', '*.open.postern.test'].map((hostname) => ({
    name: `open-${hostname}`,
    hostname,
    policies: [{ action: 'bypass', ...EVERYONE }],
  }));
  gateway = await startGateway({
    config: { 'default-policy': undefined, applications: [...refusing, ...opening] },
    tcp: ['tcp-open.postern.test', 'allow.postern.test', 'unnamed.postern.test'],
  });
  const hostnames = [
    ...Object.keys(REFUSING),
    OPEN,
    'unnamed.postern.test',
    'tcp-open.postern.test',
  ];
  const tunnel = await gateway.createTunnel('everything', ['*.postern.test']);
  const ingress = [
    { hostname: 'tcp-open.postern.test', service: echo.service },
    ...hostnames.map((hostname) => ({ hostname, service: web.service })),
  ];
  await startConnector({ gateway, tunnel, ingress });
});

/** The answer without what differs each time. */
function shape({ status, headers, body }: Answer): object {
  const page = body.toString().replaceAll(/\b[0-9a-f]{16}\b/g, '<request>');
  const { date: _date, 'x-request-id': _id, ...others } = headers;
  return { status, headers: others, page };
}

describe('with the default policy', () => {
  it.each([
    ...Object.keys(REFUSING).filter((name) => !name.includes('.open.')),
    'unnamed.postern.test',
  ])('%s is refused without a reason, and the log has one', async (hostname) => {
    const { requests } = await web.stats();
    const refused = await gateway.fetch(hostname, '/echo');
    const status = SIGN_IN.has(hostname) ? 401 : 403;
    expect(refused.status).toBe(status);
    const page = refused.body.toString();
    const requestId = /\b[0-9a-f]{16}\b/.exec(page)?.[0];
    expect(requestId).toBeDefined();
    expect(page).not.toMatch(
      /polic|bypass|email|group|staff|secret-name|application|everything|127\.0\.0\.1/i,
    );
    // Nobody can find out what exists: a name that does not is refused in the same words.
    const like = status === 401 ? 'allow.postern.test' : 'does-not-exist.postern.test';
    expect(shape(refused)).toEqual(shape(await gateway.fetch(like, '/echo')));
    const errCode = status === 401 ? 'ACCESS_SIGN_IN' : 'ACCESS_DENIED';
    await eventually(() => {
      const line = gateway.log.find((record) => record['requestId'] === requestId);
      expect(line).toMatchObject({ status, errCode, hostname });
      expect(JSON.stringify(line?.['err'])).toMatch(
        /no-application|no-policy-matched|denied-by-policy|not-signed-in/,
      );
    });
    expect((await web.stats()).requests).toBe(requests);
  });

  it('a WebSocket is refused the same way, and so is whatever a user says of himself', async () => {
    const { port, host, ...tls } = gateway.connectOptions('allow.postern.test');
    const headers = {
      host: 'allow.postern.test',
      'x-forwarded-user': 'ann',
      'cf-access-jwt-assertion': 'eyJhbGciOiJub25lIn0.e30.',
      'postern-access-jwt-assertion': 'eyJhbGciOiJub25lIn0.e30.',
      authorization: 'Bearer x',
      cookie: 'postern_session=x',
      'x-forwarded-for': '127.0.0.1',
      'x-original-url': `https://${OPEN}/`,
      'x-forwarded-host': OPEN,
    };
    const socket = new WebSocket(`wss://${host}:${port}/ws`, [], { ...tls, headers });
    cleanup(() => socket.terminate());
    const status = await new Promise((resolve) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('error', resolve);
      socket.on('open', () => resolve('open'));
    });
    expect(status).toBe(401);
    expect((await gateway.fetch('allow.postern.test', '/echo', { headers })).status).toBe(401);
    expect((await web.stats()).webSockets).toBe(0);
  });

  it('a bypass for everyone lets everybody in, over HTTP and TCP', async () => {
    expect((await gateway.fetch(OPEN, '/status/204')).status).toBe(204);
    expect(await askEcho(gateway.tcpPort('tcp-open.postern.test'))(0)).toBeUndefined();
  });

  it.each(['allow.postern.test', 'unnamed.postern.test'])(
    'a TCP port that leads to %s is reset, and nothing is sent on it',
    async (hostname) => {
      const { accepted } = await web.stats();
      const socket = connect(gateway.tcpPort(hostname), '127.0.0.1');
      cleanup(() => socket.destroy());
      await whenReset(socket);
      expect(socket.bytesRead).toBe(0);
      expect((await web.stats()).accepted).toBe(accepted);
    },
  );

  it('a more specific application decides, whatever a wildcard says', async () => {
    const ask = async (hostname: string): Promise<string> => {
      const head = `GET /status/204 HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`;
      return (await exchangeBytes(gateway, head)).slice(0, 12);
    };
    expect(await ask('secret.open.postern.test')).toBe('HTTP/1.1 403');
    expect(await ask('SECRET.open.postern.test.')).toBe('HTTP/1.1 403');
    // In by the wildcard, and then there is no rule for it.
    expect(await ask('any.open.postern.test')).toBe('HTTP/1.1 404');
  });
});

describe('C15 what is not for users', () => {
  it.each([
    '/metrics',
    '/ready',
    '/healthz',
    '/debug/pprof',
    '/.postern',
    '/.postern/',
    '/.postern/link',
    '/admin',
  ])('%s is nowhere on the public listener', async (path) => {
    for (const host of ['127.0.0.1', 'localhost', 'postern.test', 'auth.postern.test', '']) {
      const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      const answer = await exchangeBytes(gateway, head);
      const status = Number(answer.split(' ')[1]);
      expect({ host, isRefusal: status >= 400 && status < 500 }).toEqual({ host, isRefusal: true });
      expect(answer).not.toMatch(/postern_gateway|nodejs_|# HELP|"ready"|version/);
    }
  });

  it('nor on the one that redirects', async () => {
    const response = await fetch(`http://127.0.0.1:${gateway.ports.http}/metrics`, {
      redirect: 'manual',
    });
    expect([301, 302, 307, 308]).toContain(response.status);
    expect(await response.text()).not.toContain('postern_gateway');
  });

  it('and links, users and changes are not on the one for metrics', async () => {
    const at = `http://127.0.0.1:${gateway.ports.metrics}`;
    for (const [path, method] of [
      ['/.postern/link', 'GET'],
      ['/echo', 'GET'],
      ['/metrics', 'POST'],
      ['/metrics', 'DELETE'],
    ]) {
      const headers = { host: OPEN };
      const { status } = await fetch(`${at}${path}`, { ...(method && { method }), headers });
      expect({ path, method, status }).toEqual({ path, method, status: 404 });
    }
    expect(await (await fetch(`${at}/metrics`)).text()).toContain('postern_gateway_links');
  });
});
