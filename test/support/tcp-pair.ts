/**
 * The two outer ends of a carried TCP connection, both in the test's own process: what one does, the other must see.
 *
 * The origin hands over every socket it accepts; nothing is read from it before the test does.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { cleanup } from './cleanup.ts';
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
