/**
 * The operators' HTTP server: `/metrics`, `/ready` and `/healthz`, plain, on an address of its own.
 *
 * Answers GET and HEAD of these three and nothing else, closes every connection after its answer, and never says more
 * than `ready()` returns. It has no authentication: it belongs on loopback or a management network.
 * See docs/operations.md "Readiness".
 */
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Registry } from 'prom-client';
import { PosternError, codeOf, messageOf } from '../core/error.ts';

export interface Readiness {
  /** Whether the process does its work: 200 or 503. */
  readonly ready: boolean;
  /** What an operator wants to know beside it. Becomes the JSON body. */
  readonly detail: object;
}

/** Where to listen. */
interface Address {
  readonly host: string;
  readonly port: number;
}

export interface OpsServerOptions {
  /** Port 0 takes any free port. */
  readonly listen: Address;
  /** Has the server accept connections, and returns the real address. Default: binds `listen`. */
  readonly open?: (server: NetServer, listen: Address) => Promise<Address>;
  readonly registry: Registry;
  /** Called before `/metrics` is answered: counts what waits to be counted. */
  readonly beforeMetrics?: () => void;
  /** Asked at each `/ready`. Not ready where it throws. */
  readonly ready: () => Readiness;
}

export interface OpsServer {
  /** Where it listens, with the real port. */
  readonly address: Address;
  /** Stops listening, lets answers that are under way finish for CLOSE_GRACE_MS, and cuts the rest. Safe to call twice. */
  close(): Promise<void>;
}

/** A probe and a scraper need two connections; more than this is somebody else. */
const MAX_CONNECTIONS = 64;
/** Bytes of a request's head. */
const MAX_HEAD_BYTES = 8 * 1024;
/** How long a request may take to arrive, ms. */
const REQUEST_MS = 5_000;
/** How long close() waits for answers under way, ms. */
const CLOSE_GRACE_MS = 1_000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Starts the server. Throws CONFIG_PORT_IN_USE, naming the address, when it cannot listen there. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void respond(options, request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const address = await (options.open ?? bindOpsServer)(server, options.listen);
  let closed: Promise<void> | undefined;
  return {
    address,
    close: () => (closed ??= closeServer(server)),
  };
}

/** Binds an address for such a server. Throws CONFIG_PORT_IN_USE, naming it. */
export async function bindOpsServer(server: NetServer, { host, port }: Address): Promise<Address> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    const why = codeOf(cause) === 'EADDRINUSE' ? 'the address is in use' : messageOf(cause);
    throw new PosternError(
      'CONFIG_PORT_IN_USE',
      `Cannot listen on "${address}" for metrics: ${why}; choose another address or stop what uses it`,
      { cause },
    );
  }
  const bound = server.address();
  return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  // Not the HTTP server's own close(): that cuts connections whose request is still on its way, and a probe would see a failure.
  NetServer.prototype.close.call(server);
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(cut);
  // Ends the timer that looks for slow requests.
  server.close();
}

async function respond(
  options: OpsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body } = await answer(options, request);
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // A connection kept alive would hold up close(), and a scrape every 15 s gains nothing from one.
    connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answer(options: OpsServerOptions, request: IncomingMessage): Promise<Answer> {
  const path = request.url?.split('?')[0];
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && path === '/healthz') return text(200, 'ok\n');
  if (isRead && path === '/ready') return readiness(options.ready);
  if (isRead && path === '/metrics') return metrics(options);
  return text(404, 'Not found: /metrics, /ready and /healthz are here\n');
}

async function metrics({ registry, beforeMetrics }: OpsServerOptions): Promise<Answer> {
  try {
    beforeMetrics?.();
    return { status: 200, type: registry.contentType, body: await registry.metrics() };
  } catch {
    return text(500, 'The metrics cannot be collected\n');
  }
}

function readiness(ready: () => Readiness): Answer {
  let isReady = false;
  let body = '{"ready":false}';
  try {
    const state = ready();
    body = JSON.stringify({ ready: state.ready, ...state.detail });
    isReady = state.ready;
  } catch {
    // Not ready, and nothing to tell: the probe needs an answer, not our stack.
  }
  return { status: isReady ? 200 : 503, type: 'application/json', body: `${body}\n` };
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}
