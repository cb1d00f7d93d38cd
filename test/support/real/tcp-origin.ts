/**
 * Small TCP origins inside the test's own process, one behaviour each.
 *
 * All listen on a free port of 127.0.0.1, allow half-open connections and are stopped by the clean-up. They answer
 * what only they can know, so that a test sees both what arrived and how the connection ended.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

import { cleanup } from '../cleanup.ts';
import { PatternSource } from '../pattern.ts';
import { resetSocket, whenPeerEnds, type PeerEnd } from './peer-end.ts';
import { portOf } from './port.ts';

export interface TcpOrigin {
  readonly port: number;
  /** The service as an ingress rule names it: `tcp://127.0.0.1:<port>`. */
  readonly service: string;
  /** How many connections are open. */
  readonly connections: () => number;
  /** How many connections were ever accepted. */
  readonly accepted: () => number;
  /** Resets every open connection; the origin goes on. */
  readonly resetAll: () => void;
  /** Resets every open connection and closes the listener. */
  readonly stop: () => Promise<void>;
}

/** What one connection brought: how many bytes, their SHA-256 in hex, and whether it ended with FIN or was reset. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  readonly end: PeerEnd;
}

/** Starts an origin that gives each connection to `serve`. Errors of a socket are the test's subject, never a crash. */
export async function startTcpOrigin(serve: (socket: Socket) => void): Promise<TcpOrigin> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = portOf(server);
  const resetAll = (): void => {
    for (const socket of sockets) resetSocket(socket);
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    resetAll();
    await closed;
  };
  cleanup(stop);
  return {
    port,
    service: `tcp://127.0.0.1:${port}`,
    connections: () => sockets.size,
    accepted: () => accepted,
    resetAll,
    stop,
  };
}

/** Sends back what it reads; ends when the peer ends. */
export function startEcho(): Promise<TcpOrigin> {
  return startTcpOrigin((socket) => socket.pipe(socket));
}

/** Reads to the end and ends without a word. `received` lists what each finished connection brought. */
export async function startSink(): Promise<TcpOrigin & { readonly received: readonly Received[] }> {
  const received: Received[] = [];
  const origin = await startTcpOrigin((socket) => {
    digest(socket, (result) => {
      received.push(result);
      socket.end();
    });
  });
  return { ...origin, received };
}

/** Reads to the end, and only then answers, with one line of JSON: how many bytes came, and their SHA-256. */
export function startHalfCloseServer(): Promise<TcpOrigin> {
  return startTcpOrigin((socket) => {
    digest(socket, ({ bytes, sha256 }) => socket.end(`${JSON.stringify({ bytes, sha256 })}\n`));
  });
}

/** Sends `bytes` of the pattern and FIN, then reads to the end: the half-close in the other direction. */
export function startSource(bytes: number): Promise<TcpOrigin> {
  return startTcpOrigin((socket) => {
    socket.resume();
    const source = new PatternSource();
    let left = bytes;
    const send = (): void => {
      while (left > 0 && socket.writable) {
        const chunk = source.next(Math.min(left, 64 * 1024));
        left -= chunk.byteLength;
        if (!socket.write(chunk)) return;
      }
      if (left === 0) socket.end();
    };
    socket.on('drain', () => {
      if (!socket.writableEnded) send();
    });
    send();
  });
}

/** Resets the connection when `afterBytes` were read: 0 at once. */
export function startResetter(afterBytes = 0): Promise<TcpOrigin> {
  return startTcpOrigin((socket) => {
    let bytes = 0;
    const reset = (chunk?: Buffer): void => {
      bytes += chunk?.byteLength ?? 0;
      if (bytes >= afterBytes) resetSocket(socket);
    };
    socket.on('data', reset);
    if (afterBytes === 0) reset();
  });
}

/** Takes at most `bytesPerSecond` of each connection out of its socket. `bytes()` is what it took of all of them. */
export async function startSlowReader(
  bytesPerSecond: number,
): Promise<TcpOrigin & { readonly bytes: () => number }> {
  const PER_SECOND = 20;
  let bytes = 0;
  const origin = await startTcpOrigin((socket) => {
    const share = Math.max(1, Math.floor(bytesPerSecond / PER_SECOND));
    // Nothing flows: bytes stay in the kernel, and so hold back the sender, but for one buffer of the socket.
    const timer = setInterval(() => {
      const chunk: unknown = socket.read(Math.min(share, socket.readableLength || 1));
      if (Buffer.isBuffer(chunk)) bytes += chunk.byteLength;
    }, 1000 / PER_SECOND);
    socket.on('end', () => socket.end());
    socket.on('close', () => clearInterval(timer));
  });
  return { ...origin, bytes: () => bytes };
}

function digest(socket: Socket, done: (result: Received) => void): void {
  const hash = createHash('sha256');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    hash.update(chunk);
  });
  whenPeerEnds(socket, (end) => done({ bytes, sha256: hash.digest('hex'), end }));
}
