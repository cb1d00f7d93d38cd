/**
 * What users get when no origin answers them, each in the form that they read, and what the limits of a running gateway and
 * of its applications make of requests. docs/errors.md "Requests".
 */
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import type { Answer, Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { freePort, portOf } from '../support/real/port.ts';

const named = (label: string): string => `${label}.postern.test`;
const OPEN = [{ action: 'bypass', include: ['everyone'] }];
const HTTP = { 'max-requests-per-address': 3, 'max-body-size': '10KiB' };
const APPLICATIONS = [
  { name: 'uploads', hostname: named('uploads'), 'max-body-size': '100KiB', policies: OPEN },
  { name: 'narrow', hostname: named('narrow'), 'max-requests': 1, policies: OPEN },
  { name: 'closed', hostname: named('closed'), policies: [] },
];

let gateway: Gateway;
let origin: HttpOrigin;

/** Takes connections and says nothing. */
async function startSilence(): Promise<number> {
  const server: Server = createServer((socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(() => void server.close());
  return portOf(server);
}

beforeAll(async () => {
  origin = await startHttpOrigin();
  const [silent, nobody] = [await startSilence(), await freePort()];
  ({ gateway } = await startPostern({
    config: { http: HTTP, applications: APPLICATIONS, 'trusted-proxies': ['127.0.0.0/8'] },
    ingress: [
      ...['app', 'uploads', 'narrow', 'closed'].map((label) => ({
        hostname: named(label),
        service: origin.service,
      })),
      { hostname: named('refused'), service: `http://127.0.0.1:${nobody}` },
      { hostname: named('unknown'), service: 'http://origin.invalid' },
      { hostname: named('distrusted'), service: `https://127.0.0.1:${origin.port}` },
      {
        hostname: named('silent'),
        service: `https://127.0.0.1:${silent}`,
        originRequest: { tlsTimeout: '1s' },
      },
    ],
  }));
  await gateway.createTunnel('away', [named('away')]);
});

/** A request of somebody at an address of their own, as a proxy tells it. */
function ask(
  label: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<Answer> {
  const method = body === undefined ? 'GET' : 'POST';
  return gateway.fetch(named(label), path, {
    method,
    headers: { 'x-forwarded-for': '203.0.113.7', ...headers },
    ...(body !== undefined && { body }),
  });
}

describe('an answer of the gateway', () => {
  const cases: [string, string, string, number, number][] = [
    ['nowhere', '/', 'ROUTE_NOT_FOUND', 404, 12],
    ['away', '/', 'ROUTE_NO_REPLICA', 503, 14],
    ['refused', '/', 'ORIGIN_REFUSED', 502, 14],
    ['unknown', '/', 'ORIGIN_DNS', 502, 14],
    ['distrusted', '/', 'ORIGIN_TLS', 502, 14],
    ['silent', '/', 'ORIGIN_TIMEOUT', 504, 4],
    ['app', '/garbage', 'ORIGIN_BAD_RESPONSE', 502, 13],
    ['app', '/close/before', 'ORIGIN_RESET', 502, 14],
    ['closed', '/', 'ACCESS_DENIED', 403, 7],
  ];

  it.each(cases)(
    'for %s%s is %s: %i, or gRPC status %i',
    async (label, path, code, status, grpc) => {
      const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
      const [page, json, call] = await Promise.all([
        ask(label, path, browser),
        ask(label, path, { accept: 'application/json, text/html;q=0.5' }),
        ask(label, path, { 'content-type': 'application/grpc+proto' }, 'call'),
      ]);
      for (const { headers } of [page, json, call]) {
        expect(headers['cache-control']).toBe('no-store');
        expect(headers['x-request-id']).toMatch(/^[\w-]{16,}$/);
      }
      expect([page.status, json.status, call.status]).toEqual([status, status, 200]);
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
      expect(page.body.toString()).toContain(`<dd>${code}</dd>`);
      expect(page.body.toString()).toContain(`<dd>${String(page.headers['x-request-id'])}</dd>`);
      expect(JSON.parse(json.body.toString())).toMatchObject({
        error: { code, status, requestId: json.headers['x-request-id'] },
      });
      expect(call.headers).toMatchObject({
        'content-type': 'application/grpc',
        'grpc-status': String(grpc),
        'grpc-message': expect.stringContaining(
          `(request ${String(call.headers['x-request-id'])})`,
        ),
      });
      // The log knows the request by the id that its user was told.
      await eventually(() =>
        gateway.log.some(
          ({ requestId, errCode }) =>
            requestId === json.headers['x-request-id'] && errCode === code,
        ),
      );
    },
  );
});

describe('the limits', () => {
  const LARGE = 'x'.repeat(50 * 1024);

  it('hold for bodies of all requests, and an application may say otherwise', async () => {
    const refused = await ask('app', '/sha256', {}, LARGE);
    expect(refused.status).toBe(413);
    expect(refused.body.toString()).toContain('HTTP_BODY_TOO_LARGE');
    expect((await ask('uploads', '/sha256', {}, LARGE)).status).toBe(200);
    expect((await ask('uploads', '/sha256', {}, LARGE.repeat(3))).status).toBe(413);
  });

  it('hold for each address of the users behind a proxy', async () => {
    const from = (address: string): Promise<Answer> =>
      ask('app', '/slow?ms=1500', { 'x-forwarded-for': address });
    const { requests } = await origin.stats();
    const first = [from('203.0.113.1'), from('203.0.113.1'), from('203.0.113.1')];
    await eventually(async () => (await origin.stats()).requests >= requests + 3, {
      what: 'all three at the origin',
    });
    const [fourth, other] = await Promise.all([from('203.0.113.1'), from('203.0.113.2')]);
    expect(fourth.status).toBe(429);
    expect(fourth.headers['retry-after']).toBe('5');
    expect(other.status).toBe(200);
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('hold for an application, and change with the file', async () => {
    const twice = async (): Promise<number[]> => {
      const both = await Promise.all([
        ask('narrow', '/slow?ms=500', {}),
        ask('narrow', '/slow?ms=500', {}),
      ]);
      return both.map(({ status }) => status).toSorted((a, b) => a - b);
    };
    expect(await twice()).toEqual([200, 503]);
    const applications = APPLICATIONS.map((one) => ({ ...one, 'max-requests': 2 }));
    gateway.configure({ applications, http: { ...HTTP, 'max-body-size': '20KiB' } });
    await eventually(
      async () => expect((await ask('app', '/sha256', {}, 'x'.repeat(15 * 1024))).status).toBe(200),
      { what: 'the changed limits', deadlineMs: 30_000 },
    );
    expect(await twice()).toEqual([200, 200]);
    expect((await ask('app', '/sha256', {}, LARGE)).status).toBe(413);
  });
});
