/**
 * WebSockets through the whole tunnel with the `ws` client: messages of every size class whole and in order, pings, and
 * how either side closes.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket, WebSocketServer, type RawData } from 'ws';

import { cleanup } from '../support/cleanup.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { patternBytes } from '../support/pattern.ts';
import { startPostern } from '../support/postern.ts';
import { startHttpListener } from '../support/real/http-listener.ts';

const HOSTNAME = 'ws.postern.test';
const MiB = 1024 * 1024;
/** Around the three ways in which RFC 6455 writes a length, and large ones. */
const SIZES = [0, 1, 2, 125, 126, 127, 65_535, 65_536, MiB, 8 * MiB];

let gateway: Gateway;
let connector: Connector;
let server: WebSocketServer;

beforeAll(async () => {
  const origin = await startHttpListener((_request, response) => response.writeHead(426).end());
  server = new WebSocketServer({
    server: origin.server,
    maxPayload: 64 * MiB,
    handleProtocols: () => 'chat.v2',
  });
  ({ gateway, connector } = await startPostern({
    ingress: [{ hostname: HOSTNAME, service: origin.service }],
  }));
  guardLinks(connector);
});

interface Ends {
  /** The user's, and the origin's. */
  readonly user: WebSocket;
  readonly origin: WebSocket;
}

async function open(): Promise<Ends> {
  const { port, ...options } = gateway.connectOptions(HOSTNAME);
  const accepted = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  const user = new WebSocket(`wss://127.0.0.1:${port}/room?number=7`, ['chat.v1', 'chat.v2'], {
    ...options,
    headers: { host: HOSTNAME },
  });
  user.on('error', () => undefined);
  cleanup(() => user.terminate());
  await once(user, 'open');
  const origin = await accepted;
  origin.on('error', () => undefined);
  cleanup(() => origin.terminate());
  return { user, origin };
}

/** Sends back what comes, as it came. */
function echo(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** The next so many messages. */
function messages(socket: WebSocket, count: number): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    const got: Message[] = [];
    const take = (data: RawData, isBinary: boolean): void => {
      if (Buffer.isBuffer(data)) got.push({ data, isBinary });
      if (got.length < count) return;
      socket.off('message', take);
      resolve(got);
    };
    socket.on('message', take);
    socket.once('close', () =>
      reject(new Error(`Closed after ${got.length} of ${count} messages`)),
    );
  });
}

/** Text of that many bytes, some of whose characters have two, three and four. */
function textOf(bytes: number): string {
  const piece = 'aß€😀';
  const pieces = piece.repeat(Math.floor(bytes / 10));
  return pieces + 'x'.repeat(bytes - Buffer.byteLength(pieces));
}

describe('messages', () => {
  it.each(SIZES)('of %i bytes come back as they were sent, binary and text', async (size) => {
    const { user, origin } = await open();
    echo(origin);
    const [bytes, text] = [patternBytes(size), textOf(size)];
    const came = messages(user, 2);
    user.send(bytes);
    user.send(text);
    const [binary, textual] = await came;
    expect([binary?.isBinary, binary?.data.equals(bytes)]).toEqual([true, true]);
    expect([textual?.isBinary, textual?.data.toString() === text]).toEqual([false, true]);
  });

  it('of every size at once, several times over and both ways, stay whole and in order', async () => {
    const { user, origin } = await open();
    const sent = Array.from({ length: 5 }, () => SIZES)
      .flat()
      .map((size, index) => patternBytes(size, index));
    const both = Promise.all([messages(origin, sent.length), messages(user, sent.length)]);
    for (const bytes of sent) {
      user.send(bytes);
      origin.send(bytes);
    }
    for (const came of await both) {
      expect(came.map(({ data }, index) => sent[index]?.equals(data))).toEqual(
        sent.map(() => true),
      );
    }
  });

  it('in fragments arrive whole, with a ping between them', async () => {
    const { user, origin } = await open();
    echo(origin);
    const bytes = patternBytes(3 * MiB);
    const came = messages(user, 1);
    const pinged = once(origin, 'ping');
    for (let at = 0; at < bytes.byteLength; at += 100_000) {
      const fin = at + 100_000 >= bytes.byteLength;
      user.send(bytes.subarray(at, at + 100_000), { fin });
      if (at === MiB - (MiB % 100_000)) user.ping('between');
    }
    expect(String((await pinged)[0])).toBe('between');
    const [message] = await came;
    expect(message?.data.equals(bytes)).toBe(true);
  });

  it('go back and forth a thousand times, one by one', async () => {
    const { user, origin } = await open();
    echo(origin);
    for (let turn = 0; turn < 1000; turn += 1) {
      const came = messages(user, 1);
      user.send(`turn ${turn}`);
      expect(String((await came)[0]?.data)).toBe(`turn ${turn}`);
    }
  });
});

it('the origin sees what was asked for, and the user what it chose', async () => {
  const asked = new Promise<IncomingMessage>((resolve) => {
    server.once('connection', (_socket, request) => resolve(request));
  });
  const { user } = await open();
  const request = await asked;
  expect(request.url).toBe('/room?number=7');
  expect(request.headers).toMatchObject({ host: HOSTNAME, 'x-forwarded-proto': 'https' });
  expect(user.protocol).toBe('chat.v2');
});

describe('pings', () => {
  it.each(['user', 'origin'] as const)('of the %s are answered with their payload', async (who) => {
    const ends = await open();
    for (const payload of ['', 'x'.repeat(125)]) {
      const answered = once(ends[who], 'pong');
      ends[who].ping(payload);
      expect(String((await answered)[0])).toBe(payload);
    }
  });
});

describe.each([
  ['user', 'origin'],
  ['origin', 'user'],
] as const)('a close by the %s', (who, other) => {
  const watch = (socket: WebSocket): Promise<{ code: number; reason: string }> =>
    new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });

  it.each([
    [1000, ''],
    [1001, 'going away'],
    [3000, 'é'.repeat(61)],
    [4999, 'x'.repeat(123)],
  ])('with %i carries code and reason', async (code, reason) => {
    const ends = await open();
    const [here, there] = [watch(ends[who]), watch(ends[other])];
    ends[who].close(code, reason);
    expect(await there).toEqual({ code, reason });
    expect(await here).toEqual({ code, reason });
  });

  it('without a code says so', async () => {
    const ends = await open();
    const there = watch(ends[other]);
    ends[who].close();
    expect(await there).toEqual({ code: 1005, reason: '' });
  });

  it('right behind a message does not overtake it', async () => {
    const ends = await open();
    const bytes = patternBytes(4 * MiB);
    const came = messages(ends[other], 1);
    const there = watch(ends[other]);
    ends[who].send(bytes);
    ends[who].close(1000, 'all said');
    expect((await came)[0]?.data.equals(bytes)).toBe(true);
    expect(await there).toEqual({ code: 1000, reason: 'all said' });
  });

  it('that is none, because the connection broke, is 1006', async () => {
    const ends = await open();
    const there = watch(ends[other]);
    ends[who].terminate();
    expect(await there).toEqual({ code: 1006, reason: '' });
  });
});

it('no stream is left behind', async () => {
  await eventually(async () => {
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
  });
});
