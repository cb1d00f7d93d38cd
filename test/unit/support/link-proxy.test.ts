import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { startLinkProxy, type LinkProxy } from '../../support/link-proxy.ts';
import { PatternCheck, PatternSource, patternBytes } from '../../support/pattern.ts';
import { whenPeerEnds, type PeerEnd } from '../../support/real/peer-end.ts';
import { freePort } from '../../support/real/port.ts';
import {
  startEcho,
  startHalfCloseServer,
  startResetter,
  startSink,
  startSource,
  startTcpOrigin,
} from '../../support/real/tcp-origin.ts';

const MIB = 1024 * 1024;

/** A client that notes how its connection ends; undefined while it lives. */
interface Client {
  readonly socket: Socket;
  readonly received: Buffer[];
  end: PeerEnd | undefined;
}

async function dial(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const client: Client = { socket, received: [], end: undefined };
  cleanup(() => socket.destroy());
  socket.on('data', (chunk: Buffer) => client.received.push(chunk));
  whenPeerEnds(socket, (end) => {
    client.end = end;
  });
  await once(socket, 'connect');
  return client;
}

function textOf(client: Client): string {
  return Buffer.concat(client.received).toString();
}

/** Dials, and waits until the connection is known to reach the echo behind the proxy. */
async function dialEcho(proxy: LinkProxy): Promise<Client> {
  const client = await dial(proxy.port);
  client.socket.write('!');
  await eventually(() => textOf(client) === '!');
  return client;
}

async function echoBehind(delayMs = 0): Promise<LinkProxy> {
  const echo = await startEcho();
  return startLinkProxy({ target: echo, delayMs });
}

describe('what the link proxy carries', () => {
  it.each([0, 20])('reaches the other side whole, both ways (delay %d ms)', async (delayMs) => {
    const proxy = await echoBehind(delayMs);
    const { socket } = await dial(proxy.port);
    const check = new PatternCheck();
    socket.on('data', (chunk: Buffer) => check.push(chunk));
    const source = new PatternSource();
    for (let sent = 0; sent < 8 * MIB; sent += 64 * 1024) {
      if (!socket.write(source.next(64 * 1024))) await once(socket, 'drain');
    }
    socket.end();
    await once(socket, 'close');
    expect(check.bytes).toBe(8 * MIB);
    expect(proxy.forwardedBytes()).toBe(16 * MIB);
    await eventually(() => proxy.connections() === 0);
  });

  it.each([0, 20])('keeps half-closes (delay %d ms)', async (delayMs) => {
    const server = await startHalfCloseServer();
    const proxy = await startLinkProxy({ target: server, delayMs });
    const client = await dial(proxy.port);
    client.socket.end(patternBytes(100_000));
    await once(client.socket, 'close');
    expect(JSON.parse(textOf(client))).toMatchObject({ bytes: 100_000 });
    expect(client.end).toBe('fin');
  });

  it('keeps a half-close of the far side', async () => {
    const received: string[] = [];
    const origin = await startTcpOrigin((socket) => {
      socket.end('bye');
      socket.on('data', (chunk: Buffer) => received.push(chunk.toString()));
    });
    const proxy = await startLinkProxy({ target: origin });
    const client = await dial(proxy.port);
    await eventually(() => client.end === 'fin');
    client.socket.end('one more thing');
    await eventually(() => received.join('') === 'one more thing');
    expect(textOf(client)).toBe('bye');
  });

  it.each([0, 20])('keeps resets of the far side (delay %d ms)', async (delayMs) => {
    const resetter = await startResetter(5);
    const proxy = await startLinkProxy({ target: resetter, delayMs });
    const client = await dial(proxy.port);
    client.socket.write('12345');
    await eventually(() => client.end === 'reset');
  });

  it('keeps resets of the near side', async () => {
    const sink = await startSink();
    const proxy = await startLinkProxy({ target: sink });
    const client = await dial(proxy.port);
    client.socket.write('12345');
    await eventually(() => proxy.forwardedBytes() === 5);
    client.socket.resetAndDestroy();
    await eventually(() => sink.received.length === 1);
    expect(sink.received[0]).toMatchObject({ bytes: 5, end: 'reset' });
  });

  it('resets the near side when nothing listens on the target', async () => {
    const proxy = await startLinkProxy({ target: { port: await freePort() } });
    const client = await dial(proxy.port);
    await eventually(() => client.end === 'reset');
    await eventually(() => proxy.connections() === 0);
  });

  it('holds back a sender whose receiver does not read', async () => {
    const origin = await startTcpOrigin((socket) => socket.pause());
    const proxy = await startLinkProxy({ target: origin });
    const { socket } = await dial(proxy.port);
    while (socket.writableLength < 32 * MIB) {
      socket.write(Buffer.alloc(MIB));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(socket.writableLength).toBeGreaterThan(16 * MIB);
  });
});

describe('delay', () => {
  it('takes the time each way, and not less', async () => {
    const proxy = await echoBehind(50);
    const client = await dial(proxy.port);
    const start = performance.now();
    client.socket.write('ping');
    await eventually(() => textOf(client) === 'ping', { everyMs: 1 });
    const took = performance.now() - start;
    expect(took).toBeGreaterThanOrEqual(99);
    expect(took).toBeLessThan(4_000);
  });

  it('costs no throughput: 75 ms each way carry about as much as none', async () => {
    const bytes = 256 * MIB;
    const source = await startSource(bytes);
    const took: number[] = [];
    for (const delayMs of [0, 75]) {
      const proxy = await startLinkProxy({ target: source, delayMs });
      const start = performance.now();
      const { socket } = await dial(proxy.port);
      let received = 0;
      socket
        .removeAllListeners('data')
        .on('data', (chunk: Buffer) => (received += chunk.byteLength));
      await once(socket, 'end');
      expect(received).toBe(bytes);
      took.push(performance.now() - start - delayMs);
    }
    const [direct = 0, delayed = Infinity] = took;
    // A delay that cost throughput would cost factors of ten; less is the noise of a busy machine.
    expect(delayed).toBeLessThan(8 * direct + 5_000);
  });
});

describe('cuts', () => {
  it.each(['reset', 'fin'] as const)('cutAll() ends every connection with %s', async (kind) => {
    const echo = await startEcho();
    const proxy = await startLinkProxy({ target: echo });
    const clients = [await dialEcho(proxy), await dialEcho(proxy), await dialEcho(proxy)];
    expect(proxy.connections()).toBe(3);
    expect(proxy.cutAll(kind)).toBe(3);
    expect(proxy.connections()).toBe(0);
    await eventually(() => expect(clients.map(({ end }) => end)).toEqual([kind, kind, kind]));
    for (const { socket } of clients) socket.destroy();
    await eventually(() => echo.connections() === 0);
    expect(textOf(await dialEcho(proxy))).toBe('!');
    expect(proxy.accepted()).toBe(4);
  });

  it('a cut with FIN looks orderly to a peer that goes on writing', async () => {
    const proxy = await echoBehind();
    const client = await dialEcho(proxy);
    client.socket.write(Buffer.alloc(4 * MIB));
    proxy.cutAll('fin');
    await eventually(() => client.end !== undefined);
    expect(client.end).toBe('fin');
  });

  it('cutOne() ends the one with that index, in the order they came', async () => {
    const proxy = await echoBehind();
    const clients = [await dialEcho(proxy), await dialEcho(proxy), await dialEcho(proxy)];
    proxy.cutOne(1);
    await eventually(() => clients[1]?.end === 'reset');
    proxy.cutOne(1);
    await eventually(() => clients[2]?.end === 'reset');
    expect(clients[0]?.end).toBeUndefined();
    expect(() => proxy.cutOne(1)).toThrow('Cannot find connection 1: 1 are open');
  });

  it.each([0, 10])('cutAfterBytes() cuts at that very byte (delay %d ms)', async (delayMs) => {
    const sink = await startSink();
    const proxy = await startLinkProxy({ target: sink, delayMs });
    const client = await dial(proxy.port);
    client.socket.write(Buffer.alloc(1000));
    await eventually(() => proxy.forwardedBytes() === 1000);
    const cut = proxy.cutAfterBytes(123_456);
    client.socket.write(Buffer.alloc(MIB));
    await cut;
    await eventually(() => client.end === 'reset');
    await eventually(() => sink.received.length === 1);
    expect(sink.received[0]).toMatchObject({ bytes: 124_456, end: 'reset' });
    expect(proxy.forwardedBytes()).toBe(124_456);
  });

  it('cutAfterBytes() counts both directions and spares the other connections', async () => {
    const proxy = await echoBehind();
    const other = await dialEcho(proxy);
    const client = await dialEcho(proxy);
    const cut = proxy.cutAfterBytes(7);
    client.socket.write('1234');
    await cut;
    await eventually(() => client.end === 'reset');
    expect(textOf(client)).toBe('!123');
    other.socket.write('alive');
    await eventually(() => textOf(other) === '!alive');
  });

  it('what is under way is lost in a cut', async () => {
    const proxy = await echoBehind(200);
    const client = await dial(proxy.port);
    client.socket.write('on its way');
    await eventually(() => proxy.connections() === 1);
    proxy.cutAll();
    await eventually(() => client.end === 'reset');
    expect(proxy.forwardedBytes()).toBe(0);
  });
});

describe('black hole', () => {
  it.each([0, 10])(
    'forwards nothing, closes nothing, and loses nothing (delay %d ms)',
    async (delayMs) => {
      const proxy = await echoBehind(delayMs);
      const client = await dialEcho(proxy);
      proxy.blackhole();
      const before = proxy.forwardedBytes();
      client.socket.write('into the dark');
      const late = await dial(proxy.port);
      late.socket.write('me too');
      await eventually(() => proxy.connections() === 2);
      // A second link of the same machine is heard at once: the silence is not that of a slow machine.
      const lively = await dialEcho(await echoBehind());
      lively.socket.write('light');
      await eventually(() => textOf(lively) === '!light');
      expect(proxy.forwardedBytes()).toBe(before);
      expect([client.end, late.end]).toEqual([undefined, undefined]);
      await proxy.restore();
      await eventually(() => textOf(client) === '!into the dark');
      await eventually(() => textOf(late) === 'me too');
    },
  );

  it('hides that an end closes or resets', async () => {
    const echo = await startEcho();
    const proxy = await startLinkProxy({ target: echo });
    const [first, second] = [await dialEcho(proxy), await dialEcho(proxy)];
    proxy.blackhole();
    first.socket.end();
    second.socket.resetAndDestroy();
    await once(second.socket, 'close');
    expect(echo.connections()).toBe(2);
    await proxy.restore();
    await eventually(() => echo.connections() === 0);
  });

  it('can take one connection only', async () => {
    const proxy = await echoBehind();
    const [dark, light] = [await dialEcho(proxy), await dialEcho(proxy)];
    proxy.blackhole(0);
    dark.socket.write('a');
    light.socket.write('b');
    await eventually(() => textOf(light) === '!b');
    expect(textOf(dark)).toBe('!');
    await dialEcho(proxy);
    await proxy.restore();
    await eventually(() => textOf(dark) === '!a');
  });

  it('connections in it can be cut', async () => {
    const proxy = await echoBehind();
    const client = await dialEcho(proxy);
    proxy.blackhole();
    const late = await dial(proxy.port);
    await eventually(() => proxy.connections() === 2);
    proxy.cutAll();
    await eventually(() => expect([client.end, late.end]).toEqual(['reset', 'reset']));
  });
});

describe('refusal', () => {
  it('refuse() turns new connections away and spares the open ones; restore() lets them in', async () => {
    const proxy = await echoBehind();
    const client = await dialEcho(proxy);
    await proxy.refuse();
    await expect(dial(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.socket.write('still here');
    await eventually(() => textOf(client) === '!still here');
    await proxy.restore();
    await dialEcho(proxy);
    expect(proxy.connections()).toBe(2);
  });

  it('stop() ends everything, and twice is no harm', async () => {
    const proxy = await echoBehind();
    const client = await dialEcho(proxy);
    await proxy.stop();
    await proxy.stop();
    await eventually(() => client.end === 'reset');
    await expect(dial(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

it('a hundred connections cut at random points leave nothing behind', async () => {
  const echo = await startEcho();
  const proxy = await startLinkProxy({ target: echo, delayMs: 1 });
  for (let round = 0; round < 10; round += 1) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => dial(proxy.port)));
    const cut = proxy.cutAfterBytes(1 + Math.floor(Math.random() * 200_000));
    for (const { socket } of clients) socket.write(patternBytes(64 * 1024));
    await cut;
    proxy.cutAll(round % 2 === 0 ? 'reset' : 'fin');
    for (const { socket } of clients) socket.destroy();
  }
  await eventually(() => echo.connections() === 0 && proxy.connections() === 0);
  expect(proxy.accepted()).toBe(100);
});
