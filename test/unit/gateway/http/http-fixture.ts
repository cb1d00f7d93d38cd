/**
 * A real HTTP server with the handler under test on it, real origins, and clients that speak in raw bytes.
 *
 * The opener is `net.connect`: what tunnels add is tested elsewhere. Everything is closed after the test.
 */
import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
  type Server,
  createServer,
  request as httpRequest,
} from 'node:http';
import { type Socket, connect, createServer as createNetServer } from 'node:net';
import type { Clock } from '../../../../src/core/clock.ts';
import { PosternError, codeOf } from '../../../../src/core/error.ts';
import { HttpHandler, type HttpIntercept } from '../../../../src/gateway/http/http-handler.ts';
import type {
  OriginTarget,
  RouteResult,
} from '../../../../src/gateway/http/origin/origin-opener.ts';
import type { OriginPoolsOptions } from '../../../../src/gateway/http/origin/origin-pool.ts';
import type { RequestSummary } from '../../../../src/gateway/http/request-record.ts';
import { HTTP_SERVER_OPTIONS } from '../../../../src/gateway/http/user/server-options.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';

export interface GatewayOptions {
  /** The origin's port, or a target of the test's own. Hostname `app.test` leads there. */
  readonly origin: number | OriginTarget;
  readonly pools?: OriginPoolsOptions;
  readonly intercept?: HttpIntercept;
  /** Answers for other hostnames; the default is ROUTE_NOT_FOUND. */
  readonly route?: (hostname: string, path: string) => RouteResult;
  /** Level of the access log's ordinary lines. */
  readonly accessLogLevel?: 'info' | 'debug';
  /** Of HTTP/2 connections. */
  readonly clock?: Clock;
  /** The server to serve; a plain one by default. */
  readonly server?: Server;
}

export interface Gateway {
  readonly port: number;
  readonly handler: HttpHandler;
  readonly server: Server;
  /** One for each request that has ended. */
  readonly summaries: RequestSummary[];
  /** What was logged, line by line. */
  readonly logLines: string[];
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { origin } = options;
  const target = typeof origin === 'number' ? targetAt(origin) : origin;
  const summaries: RequestSummary[] = [];
  const logLines: string[] = [];
  const handler = new HttpHandler({
    router: {
      route({ hostname, path }) {
        if (hostname === 'app.test') return { ok: true, target };
        return options.route?.(hostname, path) ?? notFound(hostname);
      },
    },
    log: createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line) => void logLines.push(line) },
    }),
    onRequestEnd: (summary) => summaries.push(summary),
    ...(options.pools !== undefined && { pools: options.pools }),
    ...(options.clock !== undefined && { clock: options.clock }),
    ...(options.accessLogLevel !== undefined && { accessLogLevel: options.accessLogLevel }),
    ...(options.intercept !== undefined && { intercept: options.intercept }),
  });
  const server = options.server ?? createServer(HTTP_SERVER_OPTIONS);
  handler.attach(server);
  cleanup(() => handler.close());
  const port = await listen(server);
  return { port, handler, server, summaries, logLines };
}

function notFound(hostname: string): RouteResult {
  const error = new PosternError('ROUTE_NOT_FOUND', `Cannot route "${hostname}": no such route`);
  return { ok: false, error };
}

/** A target that dials a port of this machine, as a connector would. */
export function targetAt(port: number, changes: Partial<OriginTarget> = {}): OriginTarget {
  return {
    poolKey: `pool ${port}`,
    tunnelId: 'tunnel-id',
    tunnelName: 'tunnel-name',
    keepAliveConnections: 100,
    keepAliveTimeoutMs: 90_000,
    open: () => dial(port),
    isAlive: () => true,
    ...changes,
  };
}

/** Connects, with the error codes that a connector would report. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
  } catch (cause) {
    const code = codeOf(cause) === 'ECONNREFUSED' ? 'ORIGIN_REFUSED' : 'ORIGIN_UNREACHABLE';
    throw new PosternError(code, 'Cannot reach the origin', { cause });
  }
  return socket;
}

/** Listens on a free port until the end of the test. */
export async function listen(server: Server | ReturnType<typeof createNetServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** An origin that is a real HTTP server. */
export async function httpOrigin(listener: RequestListener): Promise<number> {
  return listen(createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, listener));
}

/** An origin that answers in raw bytes. `onConnection` gets each connection and its number, from 0. */
export async function rawOrigin(
  onConnection: (socket: Socket, index: number) => void,
): Promise<number> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createNetServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket, connections);
    connections += 1;
  });
  const port = await listen(server);
  cleanup(() => {
    for (const socket of sockets) socket.destroy();
  });
  return port;
}

/** Calls back with the head of each request that arrives on a socket, bodies not understood. */
export function onHeads(socket: Socket, onHead: (head: string, index: number) => void): void {
  let text = '';
  let index = 0;
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end + 4);
      text = text.slice(end + 4);
      onHead(head, index);
      index += 1;
    }
  });
}

/** A request to `app.test`, not yet ended. It is given up after the test. */
export function startRequest(port: number, options: RequestOptions = {}): ClientRequest {
  const headers = { Host: 'app.test', ...Object(options.headers) };
  const request = httpRequest({ port, host: '127.0.0.1', agent: false, ...options, headers });
  cleanup(() => request.destroy());
  return request;
}

/** The response to a request, unread. */
export async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
}

/** What is left of a body, as text. Rejects when it breaks off. */
export async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** A client that says exactly what it is told. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    cleanup(() => socket.destroy());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get text(): string {
    return this.#received.toString('latin1');
  }

  get bytes(): Buffer {
    return this.#received;
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes, 'latin1');
    return this;
  }

  /** Waits until this text has come. */
  async sees(text: string | RegExp): Promise<void> {
    const has = (): boolean =>
      typeof text === 'string' ? this.text.includes(text) : text.test(this.text);
    await eventually(has, { what: `${String(text)} in ${JSON.stringify(this.text)}`, everyMs: 2 });
  }

  /** Waits for the end of the connection; returns everything that came. */
  async closed(): Promise<string> {
    const isOver = (): boolean => this.socket.readableEnded || this.socket.destroyed;
    await eventually(isOver, { what: 'the end of the connection', everyMs: 2 });
    return this.text;
  }
}

/** Sends bytes on a connection of their own; returns what came until it closed. */
export async function exchangeBytes(port: number, bytes: string | Buffer): Promise<string> {
  const client = await RawClient.connect(port);
  return client.send(bytes).closed();
}

/** The status of a raw response, 0 where there is none. */
export function statusIn(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1] ?? 0);
}

/** The code in a JSON error page. */
export function codeIn(response: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(response)?.[1];
}

/** A value for each name in a raw head, names in lower case; repeated ones in order. */
export function fieldsIn(head: string): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of head.split('\r\n\r\n', 1).join('').split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}
