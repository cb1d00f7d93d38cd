/**
 * Where a browser on this machine brings the code of a sign-in: a port of 127.0.0.1 that nobody knew before.
 *
 * Only a GET of one path, with our own address as its host and with the state of this sign-in, is listened to. Whatever else
 * comes, from other programs or from web pages (cases L6, L7), is answered and forgotten. It never sees a token.
 */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How long a browser may take to say what it wants, ms. */
const REQUEST_MS = 10_000;
/** Connections at a time: browsers open a few in advance. */
const CONNECTIONS = 32;

/** What a browser brought. */
export interface Callback {
  /** Absent when the sign-in was refused. */
  readonly code: string | undefined;
  /** Sends the browser on. Call once. */
  readonly redirect: (url: string) => Promise<void>;
}

export class LoopbackListener {
  readonly #server: Server;
  readonly #state: string;
  /** Resolves with the first callback that is ours. */
  readonly callback: Promise<Callback>;
  #resolve: (callback: Callback) => void = () => undefined;

  private constructor(state: string) {
    this.#state = state;
    this.callback = new Promise((resolve) => (this.#resolve = resolve));
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.requestTimeout = REQUEST_MS;
    this.#server.headersTimeout = REQUEST_MS;
    this.#server.maxConnections = CONNECTIONS;
  }

  /** Listens on a port that the system chooses. */
  static async open(state: string): Promise<LoopbackListener> {
    const listener = new LoopbackListener(state);
    listener.#server.listen({ host: '127.0.0.1', port: 0, exclusive: true });
    await once(listener.#server, 'listening');
    return listener;
  }

  get port(): number {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server that listens has one.
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('cache-control', 'no-store');
    response.setHeader('connection', 'close');
    const params = this.#paramsOf(request);
    if (params === undefined) {
      response.writeHead(404).end();
      return;
    }
    const code = params.get('error') === null ? (params.get('code') ?? undefined) : undefined;
    this.#resolve({
      code,
      redirect: async (url) => {
        // A browser that has gone away hears of nothing.
        if (response.destroyed) return;
        const sent = once(response, 'close');
        response.writeHead(303, { location: url, 'referrer-policy': 'no-referrer' }).end();
        await sent;
      },
    });
  }

  /** The parameters of a callback that is ours. */
  #paramsOf(request: IncomingMessage): URLSearchParams | undefined {
    const { method, url = '', headers, socket } = request;
    if (method !== 'GET' || headers.host !== `127.0.0.1:${this.port}`) return undefined;
    if (socket.remoteAddress !== '127.0.0.1') return undefined;
    const [path, query = '', ...rest] = url.split('?');
    if (path !== '/callback' || rest.length > 0) return undefined;
    const params = new URLSearchParams(query);
    const given = Buffer.from(params.get('state') ?? '');
    const own = Buffer.from(this.#state);
    return given.length === own.length && timingSafeEqual(given, own) ? params : undefined;
  }
}
