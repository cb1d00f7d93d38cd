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
import { type HttpLimits, HTTP_LIMITS_DEFAULTS } from '../../../../src/config/http-limits.ts';
import type { Clock } from '../../../../src/core/clock.ts';
import { PosternError, codeOf } from '../../../../src/core/error.ts';
import { HttpHandler } from '../../../../src/gateway/http/http-handler.ts';
import type { HttpIntercept } from '../../../../src/gateway/http/http-handler-options.ts';
import type {
  OriginTarget,
  RouteResult,
} from '../../../../src/gateway/http/origin/origin-opener.ts';
import type { OriginPoolsOptions } from '../../../../src/gateway/http/origin/origin-pool.ts';
import type { RequestGate } from '../../../../src/gateway/http/request-gate.ts';
import type { RequestSummary } from '../../../../src/gateway/http/record/request-record.ts';
import { HTTP_SERVER_OPTIONS } from '../../../../src/gateway/http/user/server-options.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { cleanup } from '../../../support/cleanup.ts';

export interface GatewayOptions {
  /** The origin's port, or a target of the test's own. Hostname `app.test` leads there. */
  readonly origin: number | OriginTarget;
  readonly pools?: OriginPoolsOptions;
  readonly intercept?: HttpIntercept;
  /** Answers for other hostnames; the default is ROUTE_NOT_FOUND. */
  readonly route?: (hostname: string, path: string, notAt?: string) => RouteResult;
  /** Level of the access log's ordinary lines. */
  readonly accessLogLevel?: 'info' | 'debug';
  /** Limits other than the defaults. */
  readonly limits?: Partial<HttpLimits>;
  /** What lets requests in. */
  readonly gate?: RequestGate;
  /** Of HTTP/2 connections, and of users who stall. */
  readonly clock?: Clock;
  /** The server to serve; a plain one by default. */
  readonly server?: Server;
}

export interface Gateway {
  readonly port: number;
  readonly handler: HttpHandler;
  readonly server: Server;
  /** One for each request that has ended by now. */
  readonly summaries: RequestSummary[];
  /** What was logged by now, line by line. */
  readonly logLines: string[];
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { origin } = options;
  const target = typeof origin === 'number' ? targetAt(origin) : origin;
  const summaries: RequestSummary[] = [];
  const logLines: string[] = [];
  const handler = new HttpHandler({
    router: {
      route({ hostname, path, notAt }) {
        if (hostname === 'app.test') return { ok: true, target };
        return options.route?.(hostname, path, notAt) ?? notFound(hostname);
      },
    },
    log: createLog({
      component: 'gateway',
      format: 'json',
      destination: { write: (line) => void logLines.push(line) },
    }),
    onRequestEnd: (summary) => summaries.push(summary),
    ...(options.pools !== undefined && { pools: options.pools }),
    ...(options.limits && { limits: { ...HTTP_LIMITS_DEFAULTS, ...options.limits } }),
    ...(options.gate && { gate: options.gate }),
    ...(options.clock !== undefined && { clock: options.clock }),
    ...(options.accessLogLevel !== undefined && { accessLogLevel: options.accessLogLevel }),
    ...(options.intercept !== undefined && { intercept: options.intercept }),
  });
  const server = options.server ?? createServer(HTTP_SERVER_OPTIONS);
  handler.attach(server);
  cleanup(() => handler.close());
  const port = await listen(server);
  const refresh = (): void => handler.tellEnded();
  return {
    port,
    handler,
    server,
    summaries: upToDate(summaries, refresh),
    logLines: upToDate(logLines, refresh),
  };
}

/** A list that is brought up to date whenever it is looked at. */
function upToDate<T>(list: T[], refresh: () => void): T[] {
  return new Proxy(list, {
    get(target, key, receiver) {
      refresh();
      return Reflect.get(target, key, receiver);
    },
  });
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

export {
  RawClient,
  codeIn,
  exchangeBytes,
  fieldsIn,
  statusIn,
} from '../../../support/raw-client.ts';
