/** A server behind load balancers: it gets connections without their headers, and knows for whom they are. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import { clientOf } from '../../../../src/gateway/front/client-address.ts';
import { createProxiedServer } from '../../../../src/gateway/front/proxied-server.ts';
import { readAhead } from '../../../../src/gateway/front/read-ahead.ts';
import { TrustedProxies } from '../../../../src/gateway/front/trusted-proxies.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { whenPeerEnds, whenReset } from '../../../support/real/peer-end.ts';
import { portOf } from '../../../support/real/port.ts';

const HEADER = 'PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n';

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => server.close());
  return portOf(server);
}

/** `server` with what listens for it, and who is refused. */
async function startProxied(server: Server): Promise<{ port: number; log: string[] }> {
  const log: string[] = [];
  const front = createProxiedServer(server, {
    proxies: new TrustedProxies([parseIpRange('127.0.0.1')]),
    listener: 'https',
    sockets: { allowHalfOpen: true, noDelay: true },
    onAccepted: () => undefined,
    onRefused: ({ listener, error }) => void log.push(`${listener}: ${String(error)}`),
  });
  cleanup(() => server.close());
  return { port: await listen(front), log };
}

/** Says who the client is and echoes, and then, when the client has ended, says goodbye. */
function echo(): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    const { address, port } = clientOf(socket);
    socket.on('error', () => undefined);
    socket.write(`${address} ${port}\n`);
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    socket.on('end', () => socket.end(' bye'));
  });
}

function dial(port: number, from = '127.0.0.1'): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  socket.on('error', () => undefined);
  cleanup(() => socket.destroy());
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    socket.on('end', () => resolve()).on('close', () => resolve());
  });
  return Buffer.concat(chunks).toString();
}

describe('createProxiedServer()', () => {
  it('hands on what is behind the header, in one piece or byte by byte, and an end', async () => {
    const { port } = await startProxied(echo());
    const whole = dial(port);
    whole.end(`${HEADER}there`);
    expect(await readAll(whole)).toBe('192.0.2.1 4711\nthere bye');
    const slow = dial(port);
    slow.setNoDelay(true);
    for (const byte of `${HEADER}there`) {
      slow.write(byte);
      // The kernel joins what is written at once.
      await new Promise((resolve) => setImmediate(resolve));
    }
    slow.end();
    expect(await readAll(slow)).toBe('192.0.2.1 4711\nthere bye');
    const ended = dial(port);
    ended.end(HEADER);
    expect(await readAll(ended)).toBe('192.0.2.1 4711\n bye');
  });

  it('says who the proxy is where that speaks for itself', async () => {
    const { port } = await startProxied(echo());
    const socket = dial(port);
    await once(socket, 'connect');
    const said = `127.0.0.1 ${socket.localPort}\n bye`;
    socket.end('PROXY UNKNOWN\r\n');
    expect(await readAll(socket)).toBe(said);
  });

  it.each([
    [
      'somebody else, whatever they say',
      '127.0.0.2',
      HEADER,
      /127\.0\.0\.2 is not in trusted-prox/,
    ],
    ['a proxy without a header', '127.0.0.1', 'GET / HTTP/1.1\r\n', /begins with something else/],
  ])('ends the connection of %s', async (_, from, said, why) => {
    let accepted = 0;
    const server = echo().on('connection', () => (accepted += 1));
    const { port, log } = await startProxied(server);
    const socket = dial(port, from);
    socket.write(said);
    expect(await readAll(socket)).toBe('');
    await eventually(() => log.length === 1);
    expect(log[0]).toMatch(/^https: /);
    expect(log[0]).toMatch(why);
    expect(accepted).toBe(0);
  });

  it('says nothing of a probe that connects and leaves', async () => {
    const { port, log } = await startProxied(echo());
    const socket = dial(port);
    socket.end();
    expect(await readAll(socket)).toBe('');
    expect(log).toEqual([]);
  });

  it('is an HTTP server with its time-outs', async () => {
    const http = createHttpServer(
      { headersTimeout: 200, connectionsCheckingInterval: 50, keepAliveTimeout: 60_000 },
      (request, response) => response.end(clientOf(request.socket).address),
    );
    const { port } = await startProxied(http);
    const served = dial(port);
    served.write(`${HEADER}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
    await eventually(async () => {
      const [chunk] = (await once(served, 'data')) as [Buffer];
      expect(chunk.toString()).toContain('192.0.2.1');
    });
    served.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await readAll(served)).toContain('192.0.2.1');
    const slow = dial(port);
    slow.write(`${HEADER}GET / HTTP/1.1\r\n`);
    expect(await readAll(slow)).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('readAhead()', () => {
  async function reading(clock = new FakeClock()): Promise<{
    client: Socket;
    failed: Promise<unknown>;
    clock: FakeClock;
  }> {
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<unknown>((resolve) => (fail = resolve));
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      readAhead(socket, {
        clock,
        limitMs: 5_000,
        what: 'the word',
        code: 'TCP_PROXY',
        parse: () => undefined,
        done: () => undefined,
        failed: (error) => {
          socket.resetAndDestroy();
          fail(error);
        },
      });
    });
    const client = dial(await listen(server));
    return { client, failed, clock };
  }

  it('waits only so long', async () => {
    const { client, failed, clock } = await reading();
    client.write('x');
    await eventually(() => clock.pending === 1);
    const reset = whenReset(client);
    clock.run(5_000);
    expect(await failed).toMatchObject({
      code: 'TCP_PROXY',
      message: 'Cannot read the word: it did not come within 5s',
    });
    await reset;
    expect(clock.pending).toBe(0);
  });

  it.each([
    ['ends in the middle', 'x', 'TCP_PROXY'],
    ['ends before the first byte', '', 'STREAM_CANCELLED'],
  ])('fails when the connection %s', async (_, said, code) => {
    const { client, failed, clock } = await reading();
    const ended = new Promise((resolve) => whenPeerEnds(client.resume(), resolve));
    client.end(said);
    expect(await failed).toMatchObject({ code });
    expect(clock.pending).toBe(0);
    await ended;
  });

  it('fails when the connection breaks', async () => {
    const { client, failed, clock } = await reading();
    // Not behind a byte: a reset that comes with one looks like an end.
    await eventually(() => clock.pending === 1);
    client.resetAndDestroy();
    expect(await failed).toMatchObject({ code: 'STREAM_CANCELLED' });
    expect(clock.pending).toBe(0);
  });
});
