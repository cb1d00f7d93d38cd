/**
 * A gateway behind load balancers: haproxy says with the PROXY protocol for whom it comes, HTTP proxies in fields, and those
 * who are not trusted say it in vain.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { startProcess } from '../support/processes.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { freePort, portOf } from '../support/real/port.ts';
import { whenReady } from '../support/real/ready.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { tempDir } from '../support/temp-dir.ts';
import { requireTools, toolPath } from '../support/tools.ts';

const WEB = 'web.postern.test';
const OFFICE = 'office.postern.test';
const ECHO = 'echo.postern.test';
/** A proxy that is trusted, and says nothing of others. */
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

let gateway: Gateway;
/** Where haproxy listens. */
let front: { readonly https: number; readonly tcp: number };
let seen: IncomingHttpHeaders[] = [];

async function startHaproxy(): Promise<typeof front> {
  const ports = { https: await freePort(), tcp: await freePort() };
  const file = join(tempDir('haproxy'), 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen https
  bind 127.0.0.1:${ports.https}
  server gateway 127.0.0.1:${gateway.ports.https} send-proxy-v2
listen tcp
  bind 127.0.0.1:${ports.tcp}
  server gateway 127.0.0.1:${gateway.tcpPort(ECHO)} send-proxy
`,
  );
  const haproxy = startProcess(toolPath('haproxy'), ['-db', '-f', file], { name: 'haproxy' });
  await whenReady(haproxy, async () => isOpen(ports.tcp));
  return ports;
}

async function isOpen(port: number): Promise<boolean> {
  const socket = dial(port);
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
}

function dial(port: number, from = '127.0.0.1'): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}

/** TLS over a connection that is there, perhaps with something said on it before. */
async function secure(carrier: Socket, servername: string, alpn = 'http/1.1'): Promise<TLSSocket> {
  const { ca } = gateway.connectOptions(servername);
  const socket = connectTls({ socket: carrier, ca, servername, ALPNProtocols: [alpn] });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** One request, and its whole answer. */
async function ask(
  socket: Socket,
  hostname: string,
  fields: readonly string[] = [],
): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const lines = ['GET / HTTP/1.1', `Host: ${hostname}`, 'Connection: close', ...fields, '', ''];
  socket.write(lines.join('\r\n'));
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

/** What the origin gets of a request that a trusted proxy passes on with these fields. */
async function forwarded(...fields: string[]): Promise<IncomingHttpHeaders | undefined> {
  const carrier = dial(gateway.ports.https);
  carrier.write(LOCAL);
  expect(await ask(await secure(carrier, WEB), WEB, fields)).toMatch(/^HTTP\/1\.1 200 /);
  return seen.at(-1);
}

function lastRequest(): unknown {
  return gateway.log.findLast(({ msg }) => msg === 'request')?.['client'];
}

function refusals(): unknown[] {
  return gateway.log.filter(({ msg }) => String(msg).endsWith('connection refused'));
}

/** Where haproxy is between, it makes an end of a reset. */
async function whenRefused(socket: Socket, why: RegExp, end = whenReset(socket)): Promise<void> {
  const before = refusals().length;
  await end;
  await eventually(() => {
    expect(JSON.stringify(refusals().slice(before))).toMatch(why);
  });
}

/** Settings of a gateway that trusts these. */
function proxied(trusted: readonly string[]): Record<string, unknown> {
  const { https, http, metrics } = gateway.ports;
  const listen = Object.entries({ https, http, metrics }).map(([key, port]) => [
    key,
    `127.0.0.1:${port}`,
  ]);
  return {
    listen: { ...Object.fromEntries(listen), 'proxy-protocol': 'required' },
    'trusted-proxies': trusted,
    applications: [
      {
        name: 'office',
        hostname: OFFICE,
        policies: [{ action: 'bypass', include: [{ ip: ['192.0.2.0/24', '127.0.0.77'] }] }],
      },
    ],
  };
}

beforeAll(async () => {
  requireTools('haproxy');
  const origin = createHttpServer((request, response) => {
    seen = [...seen.slice(-9), request.headers];
    response.end('here');
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => origin.close());
  const echo = await startEcho();
  gateway = await Gateway.create({
    tcp: [{ hostname: ECHO, 'proxy-protocol': 'required', deny: ['127.0.0.66'] }],
  });
  gateway.configure(proxied(['127.0.0.1/32']));
  await gateway.start();
  front = await startHaproxy();
  const service = `http://127.0.0.1:${portOf(origin)}`;
  await startConnector({
    gateway,
    via: [{ port: front.https }],
    ingress: [
      { hostname: WEB, service },
      { hostname: OFFICE, service },
      { hostname: ECHO, service: echo.service },
    ],
  });
});

describe('behind haproxy', () => {
  it('a request is that of the user: for the origin, the log and policies', async () => {
    const socket = await secure(dial(front.https, '127.0.0.77'), OFFICE);
    expect(await ask(socket, OFFICE)).toMatch(/^HTTP\/1\.1 200 /);
    expect(seen.at(-1)).toMatchObject({ 'x-forwarded-for': '127.0.0.77' });
    await eventually(() => expect(lastRequest()).toBe('127.0.0.77'));
    const other = await secure(dial(front.https, '127.0.0.78'), OFFICE);
    expect(await ask(other, OFFICE)).not.toMatch(/^HTTP\/1\.1 200 /);
  });

  it('so is one over HTTP/2, and its fields are its own', async () => {
    const socket = await secure(dial(front.https, '127.0.0.79'), WEB, 'h2');
    const session = connectHttp2(`https://${WEB}`, { createConnection: () => socket });
    const stream = session.request({ 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'http' });
    await once(stream.resume(), 'end');
    session.close();
    expect(seen.at(-1)).toMatchObject({
      'x-forwarded-for': '127.0.0.79',
      'x-forwarded-proto': 'https',
    });
  });

  it('a TCP connection is that of the user, and lists are for users', async () => {
    const socket = dial(front.tcp, '127.0.0.77');
    socket.write('there');
    expect(String((await once(socket, 'data'))[0])).toBe('there');
    const opened = gateway.log.findLast(({ msg }) => msg === 'TCP stream opened');
    expect(opened?.['client']).toBe('127.0.0.77');
    const denied = dial(front.tcp, '127.0.0.66').resume();
    await whenRefused(
      denied,
      /TCP_DENIED.*127\.0\.0\.66/,
      once(denied, 'close').then(() => undefined),
    );
  });

  it('a connector is where it is, too', () => {
    const joined = gateway.log.find(({ msg }) => msg === 'connector joined');
    expect(String(joined?.['address'])).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
  });
});

describe('without haproxy', () => {
  it.each([
    ['https', () => gateway.ports.https],
    ['http', () => gateway.ports.http],
    ['tcp', () => gateway.tcpPort(ECHO)],
  ])('nobody gets in at %s: neither without a header nor from elsewhere', async (_, port) => {
    const silent = dial(port());
    silent.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await whenRefused(silent, /TCP_PROXY.*something else/);
    const stranger = dial(port(), '127.0.0.66');
    stranger.write(LOCAL);
    await whenRefused(stranger, /TCP_PROXY.*127\.0\.0\.66 is not in trusted-proxies/);
  });

  it('plain HTTP is redirected behind a header', async () => {
    const socket = dial(gateway.ports.http);
    socket.write('PROXY TCP4 192.0.2.9 198.51.100.1 4711 80\r\n');
    expect(await ask(socket, WEB)).toMatch(/^HTTP\/1\.1 301 [^]*Location: https:\/\/web\.postern/);
  });
});

describe('behind a proxy that speaks HTTP', () => {
  it('a request is whose the proxy says, and came as it says', async () => {
    expect(await forwarded('X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Proto: http')).toMatchObject({
      'x-forwarded-for': '192.0.2.1, 127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    await eventually(() => expect(lastRequest()).toBe('192.0.2.1'));
  });

  it('P18: what strangers said to the proxy is dropped', async () => {
    const said = ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 203.0.113.9'];
    expect(await forwarded(...said)).toMatchObject({
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'https',
    });
  });

  it('policies decide by it', async () => {
    for (const [address, status] of [
      ['192.0.2.1', 200],
      ['198.51.100.1', 403],
    ] as const) {
      const carrier = dial(gateway.ports.https);
      carrier.write(LOCAL);
      // One after the other: each has its connection.
      // oxlint-disable-next-line no-await-in-loop
      const answer = await ask(await secure(carrier, OFFICE), OFFICE, [
        `X-Forwarded-For: ${address}`,
      ]);
      const isIn = status === 200;
      expect(answer.startsWith('HTTP/1.1 200 ')).toBe(isIn);
    }
  });

  it('another list is in force without a restart', async () => {
    gateway.configure(proxied(['127.0.0.1/32', '203.0.113.0/24']));
    await eventually(() => gateway.log.some(({ msg }) => /changed settings/.test(String(msg))));
    expect(await forwarded('X-Forwarded-For: 192.0.2.1, 203.0.113.9')).toMatchObject({
      'x-forwarded-for': '192.0.2.1, 203.0.113.9, 127.0.0.1',
    });
  });
});
