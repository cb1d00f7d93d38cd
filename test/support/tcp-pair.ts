/**
 * The two outer ends of a carried TCP connection, both in the test's own process: what one does, the other must see.
 *
 * The origin hands over every socket it accepts; nothing is read from it before the test does.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { cleanup } from './cleanup.ts';
import { whenPeerEnds, type PeerEnd } from './real/peer-end.ts';
import { startTcpOrigin, type TcpOrigin } from './real/tcp-origin.ts';

export interface TcpPair {
  readonly client: Socket;
  readonly server: Socket;
}

/** An origin whose connections are taken one by one. */
export interface HandingOrigin extends TcpOrigin {
  /** The next accepted socket, in the order they came. */
  readonly next: () => Promise<Socket>;
}

/** Starts an origin that leaves its connections to the test. */
export async function startHandingOrigin(): Promise<HandingOrigin> {
  const waiting: Socket[] = [];
  const wanted: ((socket: Socket) => void)[] = [];
  const origin = await startTcpOrigin((socket) => {
    const take = wanted.shift();
    if (take === undefined) waiting.push(socket);
    else take(socket);
  });
  const next = (): Promise<Socket> => {
    const socket = waiting.shift();
    if (socket !== undefined) return Promise.resolve(socket);
    return new Promise((resolve) => wanted.push(resolve));
  };
  return { ...origin, next };
}

/** Connects to a port that leads to the origin. One call at a time, or the ends may belong to different connections. */
export async function connectPair(port: number, origin: HandingOrigin): Promise<TcpPair> {
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  client.on('error', () => undefined);
  cleanup(() => client.destroy());
  await once(client, 'connect');
  const server = await origin.next();
  return { client, server };
}

/** That many connections, one after the other. */
export async function connectPairs(
  port: number,
  origin: HandingOrigin,
  count: number,
): Promise<TcpPair[]> {
  const pairs: TcpPair[] = [];
  while (pairs.length < count) pairs.push(await connectPair(port, origin));
  return pairs;
}

/** One byte there and one back. Rejects when something else comes, or the connection closes. */
export async function pingPair({ client, server }: TcpPair): Promise<void> {
  client.write('?');
  await nextByte(server, '?');
  server.write('!');
  await nextByte(client, '!');
}

function nextByte(socket: Socket, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => {
      if (chunk.toString() === wanted) resolve();
      else reject(new Error(`Cannot accept "${chunk.toString()}": it is not "${wanted}"`));
    });
    socket.once('close', () => reject(new Error('Cannot wait for a byte: the connection closed')));
  });
}

/** How the other end of a connection left, and when. */
export interface Ending {
  readonly end: PeerEnd;
  /** Counted from the start of watching, in ms. */
  readonly afterMs: number;
}

/** The endings so far of the sockets, which are read from now on. Grows as they end. */
export function watchEnds(sockets: readonly Socket[]): ReadonlyMap<Socket, Ending> {
  const since = performance.now();
  const endings = new Map<Socket, Ending>();
  for (const socket of sockets) {
    whenPeerEnds(socket.resume(), (end) => {
      endings.set(socket, { end, afterMs: Math.round(performance.now() - since) });
    });
  }
  return endings;
}
