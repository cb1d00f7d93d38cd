/** Both ends of a channel for tests: a server that accepts them, and somebody who listens and remembers. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server as NetServer, Socket } from 'node:net';

import type { PosternError } from '../../../src/core/error.ts';
import type { FrameChannelEvents } from '../../../src/protocol/frame-channel.ts';
import { ChannelAccepter } from '../../../src/transport/accept-channel.ts';
import { dialChannel } from '../../../src/transport/dial/dial-channel.ts';
import type { WsFrameChannel } from '../../../src/transport/ws-frame-channel.ts';
import { cleanup } from '../../support/cleanup.ts';
import { portOf } from '../../support/real/port.ts';
import type { KeyPair, TestCertificates } from '../../support/test-authority.ts';

export interface LinkServer {
  readonly port: number;
  readonly server: Server;
  /** `https://localhost:port`, or `http:` without a certificate. */
  readonly url: string;
  /** The next channel it accepts. */
  next(): Promise<WsFrameChannel>;
}

/** Starts a server for links on 127.0.0.1, over TLS when it is given a key pair. The clean-up stops it. */
export async function startLinkServer(
  tls?: KeyPair,
  hasRoom: () => boolean = () => true,
): Promise<LinkServer> {
  const server = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  server.on('request', (_req, res) => res.writeHead(404, { Connection: 'close' }).end());
  const accepter = new ChannelAccepter({ hasRoom });
  const accepted: WsFrameChannel[] = [];
  const waiting: ((channel: WsFrameChannel) => void)[] = [];
  server.on('upgrade', (req, socket, head) => {
    accepter.handleUpgrade(req, socket, head, (channel) => {
      const first = waiting.shift();
      if (first === undefined) accepted.push(channel);
      else first(channel);
    });
  });
  await listen(server);
  const port = portOf(server);
  return {
    port,
    server,
    url: `${tls === undefined ? 'http' : 'https'}://localhost:${port}`,
    next: () => {
      const channel = accepted.shift();
      if (channel !== undefined) return Promise.resolve(channel);
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}

/** Has `server` listen on 127.0.0.1. The clean-up closes it and every connection it has then, upgraded ones too. */
export async function listen(server: NetServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(async () => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  });
  return portOf(server);
}

/** What a channel told. */
export class Recorder implements FrameChannelEvents {
  readonly frames: Buffer[] = [];
  drains = 0;
  readonly closes: (PosternError | undefined)[] = [];
  /** Set while the test is inside a call to the channel: nothing may come back then. */
  isInsideCall = false;
  readonly closed: Promise<PosternError | undefined>;
  #settle: (error: PosternError | undefined) => void = () => undefined;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  onFrame(frame: Uint8Array): void {
    this.#mayCallBack();
    this.frames.push(Buffer.from(frame));
  }

  onDrain(): void {
    this.#mayCallBack();
    this.drains += 1;
  }

  onClose(error: PosternError | undefined): void {
    this.#mayCallBack();
    this.closes.push(error);
    this.#settle(error);
  }

  /** Runs a call to the channel and fails the test if the channel calls back from inside. */
  within(call: () => void): void {
    this.isInsideCall = true;
    call();
    this.isInsideCall = false;
  }

  #mayCallBack(): void {
    if (this.isInsideCall) throw new Error('The channel called back from inside a call to it');
  }
}

export interface Pair {
  readonly dialled: WsFrameChannel;
  readonly accepted: WsFrameChannel;
  readonly server: LinkServer;
}

/** A channel and its other end, over TLS when there are certificates. Nobody listens yet. */
export async function openPair(certificates?: TestCertificates): Promise<Pair> {
  const server = await startLinkServer(certificates?.good);
  const [dialled, accepted] = await Promise.all([
    dialChannel({ url: server.url, ca: certificates?.ca }),
    server.next(),
  ]);
  cleanup(() => dialled.terminate());
  return { dialled, accepted, server };
}

/** Has a recorder listen to `channel`. */
export function record(channel: WsFrameChannel): Recorder {
  const recorder = new Recorder();
  channel.events = recorder;
  return recorder;
}
