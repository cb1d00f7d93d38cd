/**
 * Traffic that is under way while something happens to a gateway or connector: TCP streams that carry bytes both ways, a
 * slow download, a WebSocket. Each says when and how it ended, on the clock that log lines and audit events use.
 */
import { request } from 'node:https';
import type { Socket } from 'node:net';

import { WebSocket } from 'ws';

import { cleanup } from './cleanup.ts';
import type { Gateway } from './gateway.ts';
import { whenPeerEnds, type PeerEnd } from './real/peer-end.ts';
import { connectPair, type HandingOrigin } from './tcp-pair.ts';

/** How something ended, and when: ms since 1970. */
export interface Ended<T> {
  readonly how: T;
  readonly at: number;
}

/** A TCP stream whose client and origin keep sending to each other. */
export interface LiveStream {
  readonly client: Socket;
  readonly server: Socket;
  readonly clientEnd: Promise<Ended<PeerEnd>>;
  readonly serverEnd: Promise<Ended<PeerEnd>>;
  /** Bytes that arrived at either end. */
  readonly moved: () => number;
}

/** Time between two writes of each end of a live stream, ms. */
const BEAT_MS = 10;

/** Opens a TCP stream to the origin that is never silent. */
export async function startLiveStream(port: number, origin: HandingOrigin): Promise<LiveStream> {
  const { client, server } = await connectPair(port, origin);
  let moved = 0;
  for (const socket of [client, server]) {
    socket.on('data', (chunk: Buffer) => (moved += chunk.byteLength));
    const beat = setInterval(() => {
      if (socket.writable) socket.write('beat');
    }, BEAT_MS);
    socket.on('close', () => clearInterval(beat));
    cleanup(() => socket.destroy());
  }
  return {
    client,
    server,
    clientEnd: ended(client),
    serverEnd: ended(server),
    moved: () => moved,
  };
}

/** A response that is under way: what came of it, and whether it came whole. */
export interface LiveDownload {
  readonly bytes: () => number;
  readonly end: Promise<Ended<'whole' | 'broken'>>;
}

/** Asks for `path` and resolves with the first byte of the answer. */
export function startDownload(
  gateway: Gateway,
  hostname: string,
  path: string,
): Promise<LiveDownload> {
  return new Promise((resolve, reject) => {
    const options = { ...gateway.connectOptions(hostname), agent: false, path };
    const asked = request({ ...options, headers: { host: hostname } }, (response) => {
      let bytes = 0;
      const end = new Promise<Ended<'whole' | 'broken'>>((tell) => {
        response.on('end', () => tell({ how: 'whole', at: Date.now() }));
        response.on('error', () => tell({ how: 'broken', at: Date.now() }));
      });
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
        resolve({ bytes: () => bytes, end });
      });
    });
    asked.on('error', reject);
    asked.end();
    cleanup(() => asked.destroy());
  });
}

/** A WebSocket that is open, and the close code it will have ended with. */
export interface LiveWebSocket {
  readonly socket: WebSocket;
  readonly end: Promise<Ended<number>>;
}

/** Opens a WebSocket to `/ws` of an HTTP origin. */
export function startWebSocket(gateway: Gateway, hostname: string): Promise<LiveWebSocket> {
  const { host, port, ...tls } = gateway.connectOptions(hostname);
  const options = { ...tls, headers: { host: hostname } };
  const socket = new WebSocket(`wss://${host}:${port}/ws`, [], options);
  cleanup(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    const end = new Promise<Ended<number>>((tell) => {
      socket.on('close', (code) => tell({ how: code, at: Date.now() }));
    });
    socket.on('open', () => resolve({ socket, end }));
  });
}

function ended(socket: Socket): Promise<Ended<PeerEnd>> {
  return new Promise((resolve) => {
    whenPeerEnds(socket, (how) => resolve({ how, at: Date.now() }));
  });
}
