/** Sockets joined with streams: what goes through, how each side ends, and where Node or libuv would get it wrong. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

import { beforeAll, describe, expect, it, jest } from '@jest/globals';

import { codeOf, PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import { abortSocket, pumpSocket } from '../../../src/transport/socket-pump.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { PatternCheck, patternBytes, PatternSource } from '../../support/pattern.ts';
import { whenReset } from '../../support/real/peer-end.ts';
import { portOf } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { dialTls } from '../../support/tls-client.ts';
import type { TwoEndsOptions } from '../protocol/two-ends.ts';
import { carry, nothingLeft, type Carried } from './carried.ts';
import { makeCertificates, type TestCertificates } from '../../support/test-authority.ts';

jest.setTimeout(15_000);
const MiB = 1024 * 1024;

let certificates: TestCertificates;
beforeAll(async () => {
  certificates = await makeCertificates();
});

/** Two ends of a connection: ours, and the peer's. */
async function connected(path?: string): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const peer = connect(
    path === undefined
      ? { port: portOf(server), host: '127.0.0.1', allowHalfOpen: true }
      : { path, allowHalfOpen: true },
  );
  const [socket]: Socket[] = await accepted;
  server.close();
  cleanup(() => peer.destroy());
  if (socket === undefined) throw new Error('nothing was accepted');
  cleanup(() => socket.destroy());
  peer.on('error', () => undefined);
  return { socket, peer };
}

describe('abortSocket()', () => {
  it('resets a TCP connection', async () => {
    const { socket, peer } = await connected();
    abortSocket(socket);
    await whenReset(peer);
  });

  it('resets one whose peer reads nothing, with bytes still waiting', async () => {
    const { socket, peer } = await connected();
    socket.write(patternBytes(32 * 1024 * 1024), () => undefined);
    const broken = new Promise((resolve) => peer.on('error', resolve));
    const closed = once(socket, 'close');
    abortSocket(socket);
    await closed;
    peer.resume();
    expect(await broken).toMatchObject({ code: 'ECONNRESET' });
  });

  it('closes one whose FIN is still on its way to the kernel', async () => {
    const { socket, peer } = await connected();
    const closed = once(socket, 'close');
    socket.end();
    abortSocket(socket);
    abortSocket(socket);
    await closed;
    expect(socket.errored).toBeNull();
    // The FIN was first; the reset behind it meets whoever writes.
    await once(peer.resume(), 'end');
    await new Promise<void>((resolve) => {
      peer.on('error', () => resolve());
      peer.write('anybody there?');
      peer.write('anybody?');
    });
  });

  it.each(['idle', 'writing', 'ending', 'ended'])(
    'resets the connection under a TLS socket: %s',
    async (state) => {
      const { server } = await listen('tls');
      const accepted = once(server, 'secureConnection');
      const peer = dialTls(portOf(server), { ca: certificates.ca, servername: 'localhost' });
      const [socket]: Socket[] = await accepted;
      if (socket === undefined) throw new Error('nothing was accepted');
      // Newer Nodes tell it of the writes that a reset cancels.
      socket.on('error', () => undefined);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      if (state === 'writing') socket.write(patternBytes(8 * MiB));
      if (state.startsWith('end')) socket.end('bye');
      if (state === 'ended') await once(socket, 'finish');
      const ended = state.startsWith('end') ? undefined : whenReset(peer.carrier);
      abortSocket(socket);
      abortSocket(socket);
      await closed;
      peer.socket.resume();
      await ended;
      // Behind an end the reset meets whoever writes.
      await eventually(() => {
        peer.carrier.write('?');
        return peer.carrier.destroyed;
      });
      expect(codeOf(peer.carrier.errored)).toMatch(/^(?:ECONNRESET|EPIPE)$/);
    },
  );

  it('closes a Unix socket, which cannot be reset', async () => {
    const { socket, peer } = await connected(join(tempDir('pump'), 'socket'));
    abortSocket(socket);
    await once(peer.resume(), 'end');
    expect(socket.destroyed).toBe(true);
  });
});

type Kind = 'tcp' | 'tls' | 'unix';

/** A server of one kind, half-open as servers of carried connections must be, and how to get there. */
async function listen(kind: Kind): Promise<{ server: Server; dial(): Socket }> {
  const options = { allowHalfOpen: true };
  const path = kind === 'unix' ? join(tempDir('pump'), 'socket') : undefined;
  const server =
    kind === 'tls' ? createTlsServer({ ...options, ...certificates.good }) : createServer(options);
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  cleanup(() => server.close());
  return {
    server,
    dial() {
      const halfOpen = { allowHalfOpen: true };
      const to = { port: path === undefined ? portOf(server) : 0, host: '127.0.0.1', ...halfOpen };
      const socket =
        kind === 'tls'
          ? connectTls({ ...to, ca: certificates.ca })
          : connect(path === undefined ? to : { path, ...halfOpen });
      socket.on('error', () => undefined);
      cleanup(() => socket.destroy());
      return socket;
    },
  };
}

interface Line {
  readonly carried: Carried;
  /** The user's end, and the origin's. */
  readonly client: Socket;
  readonly origin: Socket;
  /** The sockets between, which are pumped. */
  readonly front: Socket;
  readonly back: Socket;
}

/** A connection of a user, carried over a link to an origin. */
async function line(kind: Kind = 'tcp', options: TwoEndsOptions = {}): Promise<Line> {
  const [front, back] = [await listen(kind), await listen(kind)];
  const event = kind === 'tls' ? 'secureConnection' : 'connection';
  const originSide = once(back.server, event);
  const frontSide = once(front.server, event);
  let dialled: Socket | undefined;
  const carried = carry((stream) => {
    const socket = back.dial();
    dialled = socket;
    // What arrives before the origin is there waits, as in a connector.
    const early: Uint8Array[] = [];
    stream.handler = { ...stream.handler, onData: (chunk) => void early.push(chunk) };
    socket.once(kind === 'tls' ? 'secureConnect' : 'connect', () => {
      pumpSocket(socket, stream);
      for (const chunk of early) stream.handler.onData(chunk);
      stream.accept();
    });
  }, options);
  const client = front.dial();
  const [socket]: Socket[] = await frontSide;
  if (socket === undefined) throw new Error('nothing was accepted');
  pumpSocket(socket, carried.open());
  const [origin]: Socket[] = await originSide;
  if (origin === undefined || dialled === undefined) throw new Error('the origin was not reached');
  origin.on('error', () => undefined);
  cleanup(() => origin.destroy());
  return { carried, client, origin, front: socket, back: dialled };
}

/** All that comes until the end. */
async function readAll(from: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  from.on('data', (chunk: Buffer) => chunks.push(chunk));
  from.resume();
  await once(from, 'end');
  return Buffer.concat(chunks);
}

async function checkAll(from: Socket): Promise<number> {
  const check = new PatternCheck();
  from.on('data', (chunk: Buffer) => check.push(chunk));
  from.resume();
  await once(from, 'end');
  return check.bytes;
}

/** Writes `bytes` bytes of the pattern, minding back-pressure, and ends. */
function sendPattern(to: Socket, bytes: number): void {
  const source = new PatternSource();
  let left = bytes;
  const write = (): void => {
    while (left > 0) {
      const step = Math.min(left, 65_536);
      left -= step;
      if (!to.write(source.next(step))) return;
    }
    to.end();
    to.off('drain', write);
  };
  to.on('drain', write);
  write();
}

describe('pumpSocket()', () => {
  it.each(['tcp', 'tls', 'unix'] as const)(
    'carries a %s connection, which ends one way after the other',
    async (kind) => {
      for (const first of ['client', 'origin'] as const) {
        const { carried, client, origin } = await line(kind);
        const [one, other] = first === 'client' ? [client, origin] : [origin, client];
        one.end('question');
        expect(String(await readAll(other))).toBe('question');
        other.write('ans');
        await once(one, 'data');
        other.end('wer');
        expect(String(await readAll(one))).toMatch(/wer$/u);
        await nothingLeft(carried);
      }
    },
  );

  it.each(['tcp', 'tls', 'unix'] as const)(
    'keeps 64 MiB each way at the same time: %s',
    async (kind) => {
      const { carried, client, origin } = await line(kind);
      sendPattern(client, 64 * MiB);
      sendPattern(origin, 64 * MiB);
      expect(await Promise.all([checkAll(client), checkAll(origin)])).toEqual([64 * MiB, 64 * MiB]);
      await nothingLeft(carried);
    },
  );

  it('closes both sockets when both directions have ended', async () => {
    const { carried, client, origin, front, back } = await line();
    client.end();
    origin.end();
    await Promise.all([readAll(client), readAll(origin)]);
    await nothingLeft(carried);
    await eventually(() => front.destroyed && back.destroyed);
    expect([front.errored, back.errored]).toEqual([null, null]);
  });

  it.each(['client', 'origin'] as const)(
    'a reset by the %s is a reset at the other end',
    async (by) => {
      const { carried, client, origin } = await line();
      const [one, other] = by === 'client' ? [client, origin] : [origin, client];
      one.write('x');
      await once(other.resume(), 'data');
      one.resetAndDestroy();
      await whenReset(other);
      await nothingLeft(carried);
    },
  );

  it.each(['tcp', 'tls', 'unix'] as const)(
    'a %s peer that vanishes without a reset ends one direction, and the other at the next word to it',
    async (kind) => {
      const { carried, client, origin } = await line(kind);
      origin.resume();
      client.write(patternBytes(100_000));
      await once(origin, 'data');
      // The kernel tells what it tells of any program that ends: FIN.
      client.destroy();
      await once(origin, 'end');
      origin.end('anybody there?');
      await nothingLeft(carried);
    },
  );

  it('a reader that does not read holds up the writer, and memory with it', async () => {
    const { carried, client, origin, front, back } = await line();
    origin.pause();
    let written = 0;
    const piece = patternBytes(65_536);
    const writeOn = (): void => {
      while (written < 64 * MiB && client.write(piece)) written += piece.byteLength;
      written += piece.byteLength;
    };
    client.on('drain', writeOn);
    writeOn();
    const { openingBudgets } = carried.ends;
    await eventually(() => openingBudgets.unacked.usedBytes >= LIMITS.initialWindowBytes);
    let before = -1;
    await eventually(
      () => {
        const same = before === written;
        before = written;
        return same;
      },
      { everyMs: 200 },
    );
    // The kernel takes megabytes in a moment, so the window may have grown; it is the bound, and one read.
    const MOST = LIMITS.maxWindowBytes + 65_536;
    expect(openingBudgets.unacked.usedBytes).toBeLessThanOrEqual(MOST);
    expect(back.writableLength).toBeLessThanOrEqual(MOST);
    expect(front.readableLength).toBeLessThanOrEqual(128 * 1024);
    expect(front.isPaused()).toBe(true);
    // And when it reads, everything comes.
    client.off('drain', writeOn);
    client.end();
    let got = 0;
    origin.on('data', (chunk: Buffer) => (got += chunk.byteLength));
    origin.resume();
    await once(origin, 'end');
    expect(got).toBe(client.bytesWritten);
    origin.end();
    client.resume();
    await nothingLeft(carried);
  });

  it('goes on over another link when one breaks under it', async () => {
    const { carried, client, origin } = await line();
    sendPattern(client, 16 * MiB);
    const check = new PatternCheck();
    let cuts = 0;
    origin.on('data', (chunk: Buffer) => {
      check.push(chunk);
      if (check.bytes < cuts * MiB) return;
      cuts += 1;
      carried.ends.connect();
      carried.ends.pairs.at(-2)?.there.cut();
    });
    origin.resume();
    await once(origin, 'end');
    expect(check.bytes).toBe(16 * MiB);
    expect(cuts).toBe(17);
    origin.end();
    client.resume();
    await nothingLeft(carried);
  });

  it('a stream that is reset drops what waits and resets the socket', async () => {
    const { carried, client, origin } = await line();
    origin.pause();
    sendPattern(client, 32 * MiB);
    const { opener } = carried.ends;
    await eventually(() => carried.ends.openingBudgets.unacked.usedBytes > 200_000);
    opener.failAll(new PosternError('ACCESS_DENIED', 'signed out'));
    await whenReset(client);
    await whenReset(origin);
    await nothingLeft(carried);
  });

  it('tells when the stream is accepted and when it has ended, once each', async () => {
    const { socket, peer } = await connected();
    socket.resume();
    const carried = carry((stream) => stream.accept({ origin: 'o' }));
    const told: string[] = [];
    pumpSocket(socket, carried.open(), {
      onAccept: ({ origin }) => told.push(`accepted ${origin}`),
      onClose: () => told.push('closed'),
    });
    await eventually(() => told.length === 1);
    peer.resetAndDestroy();
    await eventually(() => told.length === 2);
    await nothingLeft(carried);
    expect(told).toEqual(['accepted o', 'closed']);
  });

  it('a stream that had ended before it was joined ends the socket', async () => {
    const { socket, peer } = await connected();
    const carried = carry((stream) => stream.accept());
    const stream = carried.open();
    stream.reset('STREAM_CANCELLED', 'too late');
    pumpSocket(socket, stream);
    await whenReset(peer);
    await nothingLeft(carried);
  });

  it('a socket that had broken before it was joined ends the stream', async () => {
    const { socket, peer } = await connected();
    socket.on('error', () => undefined);
    peer.resetAndDestroy();
    socket.resume();
    await eventually(() => socket.closed);
    const ends: string[] = [];
    const carried = carry((stream) => {
      stream.accept();
      stream.handler = {
        ...stream.handler,
        onClose: (error) => ends.push(error?.code ?? 'cleanly'),
      };
    });
    pumpSocket(socket, carried.open());
    await nothingLeft(carried);
    expect(ends.filter((code) => code !== 'STREAM_RESET')).toEqual([]);
  });

  it('M8 single bytes for somebody who does not read cost little', async () => {
    const { carried, client, origin, back } = await line();
    origin.pause();
    client.setNoDelay(true);
    // Until the kernel takes no more.
    back.write(patternBytes(8 * MiB));
    const before = process.memoryUsage();
    for (let sent = 0; sent < 20_000; sent += 1) {
      client.write(Buffer.from([sent]));
      if (sent % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => carried.ends.openingBudgets.unacked.usedBytes >= 20_000);
    expect(back.writableLength).toBeGreaterThan(0);
    const after = process.memoryUsage();
    expect(
      after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers,
    ).toBeLessThan(30 * MiB);
    client.resetAndDestroy();
    await nothingLeft(carried);
  });
});
