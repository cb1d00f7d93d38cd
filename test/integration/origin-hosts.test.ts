/**
 * Virtual hosts behind one ingress rule under concurrent load, each with a certificate of its own, over HTTP/1.1 and HTTP/2;
 * and what a rule changes of requests and responses on their way.
 */
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';

import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { portOf } from '../support/real/port.ts';
import {
  startRecordingOrigin,
  type RecordedRequest,
  type RecordingOrigin,
} from '../support/real/recording-origin.ts';
import { say } from '../support/say.ts';
import { TestAuthority } from '../support/test-authority.ts';

const HOSTS = ['a', 'b', 'c', 'd'].map((name) => `${name}.postern.test`);
const REQUESTS = 1_000;
const AT_ONCE = 64;

interface Seen {
  /** What TLS asked for. */
  readonly sni: unknown;
  readonly host: unknown;
  readonly version: string;
}

let gateway: Gateway;
let recording: RecordingOrigin;
/** Names that connections were made for. */
const connections: unknown[] = [];

beforeAll(async () => {
  const authority = await TestAuthority.create();
  const server = await startHosts(authority);
  recording = await startRecordingOrigin();
  const service = `https://127.0.0.1:${portOf(server)}`;
  const caPool = authority.writeFile();
  const originRequest = { matchSNItoHost: true, caPool };
  gateway = await startGateway();
  await startConnector({
    gateway,
    ingress: [
      {
        hostname: 'changed.postern.test',
        path: '^/api/',
        service: recording.service,
        rewrite: { path: '^/api/v(\\d)/(.*)', to: '/$2/$1' },
        headers: {
          request: { set: { 'X-Environment': 'staging' }, remove: ['x-debug', 'user-agent'] },
          response: { set: { 'Strict-Transport-Security': 'max-age=60' }, remove: ['server'] },
        },
      },
      { hostname: 'changed.postern.test', service: 'http_status:404' },
      {
        hostname: '*.postern.test',
        path: '^/two/',
        service,
        originRequest: { ...originRequest, http2Origin: true },
      },
      { hostname: '*.postern.test', service, originRequest },
    ],
  });
});

/** A server with a certificate for each host, and none for any other. It tells what it was asked for. */
async function startHosts(authority: TestAuthority): Promise<Http2SecureServer> {
  const contexts = new Map<string, SecureContext>();
  for (const host of HOSTS) {
    // One after the other: they share an authority.
    // oxlint-disable-next-line no-await-in-loop
    contexts.set(host, createSecureContext(await authority.issue({ dns: [host] })));
  }
  const server = createSecureServer({
    allowHTTP1: true,
    SNICallback: (name, done) => done(null, contexts.get(name)),
  });
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket: TLSSocket) => {
    connections.push(socket.servername);
    sockets.add(socket.on('error', () => undefined));
  });
  server.on('request', (request, response) => {
    const host = request.headers[':authority'] ?? request.headers.host;
    const sni: unknown = Reflect.get(request.socket, 'servername');
    response.end(JSON.stringify({ sni, host, version: request.httpVersion } satisfies Seen));
  });
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      webSocket.send(request.headers.host ?? ''),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

/** Asks a host as one of its users; connections are kept. */
function userOf(
  host: string,
): (path: string, headers?: Record<string, string>) => Promise<Answered> {
  const { port, ca } = gateway.connectOptions(host);
  const pool = new Pool(`https://127.0.0.1:${port}`, {
    connections: AT_ONCE / HOSTS.length,
    connect: { ca, servername: host },
  });
  cleanup(() => pool.destroy());
  return async (path, headers = {}) => {
    const {
      statusCode,
      headers: answered,
      body,
    } = await pool.request({
      method: 'GET',
      path,
      headers: { host, ...headers },
    });
    return { status: statusCode, headers: answered, text: await body.text() };
  };
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

describe('virtual hosts with matchSNItoHost', () => {
  it(`${REQUESTS} requests, ${AT_ONCE} at once, each reach the host that they name`, async () => {
    const users = HOSTS.map((host) => ({ host, ask: userOf(host) }));
    const since = performance.now();
    let next = 0;
    const askOn = async (): Promise<void> => {
      while (next < REQUESTS) {
        const number = next++;
        const { host, ask } = users[number % users.length] ?? { host: '', ask: userOf('') };
        const isTwo = Math.floor(number / users.length) % 2 === 1;
        // oxlint-disable-next-line no-await-in-loop
        const { status, text } = await ask(isTwo ? `/two/${number}` : `/${number}`);
        const version = isTwo ? '2.0' : '1.1';
        expect([status, JSON.parse(text)]).toEqual([200, { sni: host, host, version }]);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, askOn));
    say(`${REQUESTS} requests in ${Math.round(performance.now() - since)} ms`);
    const made = HOSTS.map((host) => connections.filter((name) => name === host).length);
    expect(made.every((count) => count > 0)).toBe(true);
    expect(connections).toHaveLength(made.reduce((sum, n) => sum + n, 0));
  });

  it('a host without a certificate of its own is not reached', async () => {
    const { status, text } = await userOf('e.postern.test')('/');
    expect([status, text]).toEqual([502, expect.stringContaining('ORIGIN_TLS')]);
  });

  it('WebSockets reach theirs over HTTP/1.1, also where the rule wants HTTP/2', async () => {
    for (const host of HOSTS) {
      const { port, ...options } = gateway.connectOptions(host);
      const user = new WebSocket(`wss://127.0.0.1:${port}/two/`, { ...options, headers: { host } });
      cleanup(() => user.terminate());
      // oxlint-disable-next-line no-await-in-loop
      const [message] = (await once(user, 'message')) as [Buffer];
      expect(String(message)).toBe(host);
    }
  });
});

describe('a rule that changes requests and responses', () => {
  it('does so on the way, and matches the path as it came', async () => {
    recording.answer(
      '/users/7/2',
      'HTTP/1.1 200 OK\r\nServer: secret/1\r\nContent-Length: 2\r\n\r\nok',
    );
    const ask = userOf('changed.postern.test');
    const headers = { 'x-debug': '1', 'user-agent': 'test', 'x-environment': 'mine' };
    const { status, headers: answered } = await ask('/api/v2/users/7?x=/api/v2/', headers);
    expect(status).toBe(200);
    expect(answered).toMatchObject({ 'strict-transport-security': 'max-age=60' });
    expect(answered).not.toHaveProperty('server');
    const { target, fields } = recording.requests[0] as RecordedRequest;
    expect(target).toBe('/users/7/2?x=/api/v2/');
    expect(fields.get('x-environment')).toEqual(['staging']);
    expect([fields.has('x-debug'), fields.has('user-agent')]).toEqual([false, false]);
    // Another rule is the one for this path.
    expect((await ask('/users/7/2')).status).toBe(404);
    expect(recording.requests).toHaveLength(1);
  });

  it('refuses a path that would become another one than its rules have looked at', async () => {
    const { status } = await userOf('changed.postern.test')('/api/v2//secret');
    expect(status).toBe(400);
    expect(recording.requests).toHaveLength(1);
  });
});
