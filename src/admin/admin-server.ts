/**
 * The admin API on a Unix socket in the data directory. docs/decisions/0008.
 *
 * Whoever may open the socket may do everything: mode 0600 in a folder of mode 0700 is the whole access control, so it is
 * never opened on a network. A socket that a dead gateway left is replaced; one that answers is not.
 */
import { once } from 'node:events';
import { lstat, mkdir, unlink } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, isPosternError, messageOf, PosternError } from '../core/error.ts';
import { listenPrivately } from '../core/listen-privately.ts';
import { LIMITS } from '../core/limits.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { AdminFeed } from './admin-feed.ts';
import {
  formatAdminError,
  MAX_ADMIN_REQUEST_BYTES,
  parseAdminRequest,
  type AdminRequest,
} from './admin-request.ts';
import { probeSocket } from './admin-socket.ts';

export interface AdminServerOptions {
  /** From adminSocketPath(). Its folder is made, for the owner alone, when it is not there. */
  readonly path: string;
  readonly log: Log;
  /** Has the server listen on a socket that somebody else binds at the path. EADDRINUSE when a file is there that is not its. */
  readonly open?: (server: Server) => Promise<void>;
  /** Carries out a request that is well-formed. */
  handle(request: AdminRequest): Promise<unknown>;
}

export interface AdminServer {
  /** Takes no new requests and removes the socket; answers that are under way are finished. Safe to call twice. */
  close(): Promise<void>;
}

/** Commands come one at a time; more connections than this are an accident. */
const MAX_CONNECTIONS = 64;
/** How long a request may take to arrive, ms. */
const REQUEST_MS = 5_000;
/** How often a socket is tried again that somebody answers on, ms. */
const RETRY_MS = 50;
/** How long close() waits for answers, ms. */
const CLOSE_GRACE_MS = 1_000;

/** Opens the socket. Throws CONFIG_PORT_IN_USE when a gateway runs already, CONFIG_UNREADABLE when it cannot be made. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const feeds: Feeds = new Set();
  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
    },
    listenerFor(options, feeds),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  const endFeeds = (): void => {
    for (const end of feeds) end();
  };
  let closed: Promise<void> | undefined;
  return { close: () => (closed ??= closeServer(server, endFeeds)) };
}

async function listen(server: Server, { path, open }: AdminServerOptions): Promise<void> {
  if (open !== undefined) await claimAdminSocket(path, async () => open(server));
  else await claimAdminSocket(path, async () => listenPrivately(server, path));
}

/**
 * Calls `bind`, which binds the socket or is given one that is bound already, with what a dead gateway left out of the way.
 * Throws CONFIG_PORT_IN_USE when a gateway runs already, CONFIG_UNREADABLE when the socket cannot be made.
 */
export async function claimAdminSocket<T>(path: string, bind: () => Promise<T>): Promise<T> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      return await bind();
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE')) throw error;
    }
    await removeStale(path);
    return await bind();
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    if (hasCode(cause, 'EADDRINUSE')) throw alreadyRunning(path);
    const message = `Cannot open admin socket "${path}": ${messageOf(cause)}`;
    throw new PosternError('CONFIG_UNREADABLE', message, { cause });
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) {
    const message = `Cannot open admin socket "${path}": something else is there; move it away`;
    throw new PosternError('CONFIG_PORT_IN_USE', message);
  }
  await untilNobody(path);
  await unlink(path);
}

/** What a gateway leaves that was killed needs a moment to learn of it. */
async function untilNobody(path: string): Promise<void> {
  for (let waitedMs = 0; (await probeSocket(path)) !== 'nobody'; waitedMs += RETRY_MS) {
    if (waitedMs >= LIMITS.rebindMs) throw alreadyRunning(path);
    await delay(RETRY_MS);
  }
}

function alreadyRunning(path: string): PosternError {
  const message = `Cannot start the gateway: one is already running with this data-dir`;
  return new PosternError('CONFIG_PORT_IN_USE', `${message} (it answers on "${path}")`);
}

async function closeServer(server: Server, endFeeds: () => void): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  // Nobody else would end them.
  endFeeds();
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await closed;
  clearTimeout(cut);
}

/** What ends each answer that goes on. */
type Feeds = Set<() => void>;

function listenerFor(options: AdminServerOptions, feeds: Feeds): RequestListener {
  return (request, response) => {
    respond({ options, feeds }, request, response).catch((err: unknown) => {
      options.log.error({ [FIELD.err]: err }, 'cannot answer an admin request');
      response.destroy();
    });
  };
}

async function respond(
  { options, feeds }: { readonly options: AdminServerOptions; readonly feeds: Feeds },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    if (request.method !== 'POST') throw badRequest('only POST is answered');
    const parsed = parseAdminRequest(request.url ?? '', await readBody(request));
    const result = await options.handle(parsed);
    if (result instanceof AdminFeed) feed(result, response, feeds);
    else send(response, 200, JSON.stringify(result));
  } catch (error) {
    if (isPosternError(error)) {
      send(response, 400, formatAdminError(error.code, error.message));
      return;
    }
    options.log.error({ [FIELD.err]: error }, 'an admin request failed');
    const message = 'Cannot answer the admin request: see the log of the gateway';
    send(response, 500, formatAdminError('CLI_FAILED', message));
  }
}

function feed(lines: AdminFeed, response: ServerResponse, feeds: Feeds): void {
  const end = lines.answer(response);
  feeds.add(end);
  response.once('close', () => feeds.delete(end));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ADMIN_REQUEST_BYTES) {
      throw badRequest(`it has more than ${MAX_ADMIN_REQUEST_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}

function badRequest(why: string): PosternError {
  return new PosternError('ADMIN_BAD_REQUEST', `Cannot answer the admin request: ${why}`);
}
