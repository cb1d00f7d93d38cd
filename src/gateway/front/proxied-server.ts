/**
 * Listens in place of an HTTP server behind load balancers that speak the PROXY protocol: takes their header off each
 * connection, remembers for whom it is, and hands it on.
 *
 * Whoever is not a trusted proxy gets nothing, whatever they say; nor does a proxy without a header: it would speak for
 * somebody unknown.
 */
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { systemClock } from '../../core/clock.ts';
import { PosternError, codeOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { Refusal } from '../../telemetry/refusal-log.ts';
import { abortSocket } from '../../transport/socket-pump.ts';
import { clientOf, nameClient } from './client-address.ts';
import { connectionRefusal } from './connection-refusal.ts';
import { parseProxyHeader } from './proxy-header.ts';
import { readAhead } from './read-ahead.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

export interface ProxiedServerOptions {
  readonly proxies: TrustedProxies;
  /** What the server is called. */
  readonly listener: string;
  /** A connection was accepted, and nothing of it read. */
  readonly onAccepted: (socket: Socket) => void;
  readonly onRefused: (refusal: Refusal) => void;
  /** As those of the server behind. */
  readonly sockets: ServerOpts;
}

/** The server that listens; `server` gets its connections. */
export function createProxiedServer(server: Server, options: ProxiedServerOptions): Server {
  const { proxies, listener, onAccepted, onRefused } = options;
  const front = createServer(options.sockets, (socket) => {
    socket.on('error', () => undefined);
    onAccepted(socket);
    readProxyHeader(socket, proxies, {
      done: () => void server.emit('connection', socket),
      failed: (error) => {
        if (codeOf(error) === 'TCP_PROXY')
          onRefused(connectionRefusal(socket, { listener, error }));
        abortSocket(socket);
      },
    });
  });
  // What an HTTP server does once it listens: it looks after its time-outs from then on.
  front.on('listening', () => server.emit('listening'));
  return front;
}

/** Takes the header off a connection that must begin with one. done() or failed() is called once, perhaps at once. */
export function readProxyHeader(
  socket: Socket,
  proxies: TrustedProxies,
  events: { done(): void; failed(error: unknown): void },
): void {
  const { address } = clientOf(socket);
  if (!proxies.has(address)) {
    const why = `${address} is not in trusted-proxies`;
    events.failed(new PosternError('TCP_PROXY', `Cannot take the connection: ${why}`));
    return;
  }
  readAhead(socket, {
    clock: systemClock,
    limitMs: LIMITS.proxyHeaderMs,
    what: 'the PROXY header',
    code: 'TCP_PROXY',
    parse: (bytes) => {
      const header = parseProxyHeader(bytes);
      return header && { value: header, used: header.length };
    },
    done: ({ client }) => {
      if (client !== undefined) nameClient(socket, client);
      events.done();
    },
    failed: (error) => events.failed(error),
  });
}
