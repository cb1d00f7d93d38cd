/**
 * A plain TCP port: every connection becomes a stream to the service behind one hostname. design.md §4 "Plain TCP ports".
 *
 * Nothing is read before the destination is known, and nothing is kept: bytes go into the stream's window or stay in the
 * kernel. A connection that cannot be carried is reset, so that no client mistakes it for an empty answer.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { ListenAddress } from '../../config/listen-address.ts';
import { systemClock } from '../../core/clock.ts';
import { newRequestId } from '../../core/id.ts';
import type { Stream } from '../../protocol/stream.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { abortSocket, pumpSocket } from '../../transport/socket-pump.ts';
import type { Arrivals } from '../routing/arrivals.ts';
import type { TcpAccess, TcpGrant, TcpStreamFacts } from '../access/tcp-access.ts';
import type { ListeningSockets } from '../../transport/listen-on.ts';
import { signedStream, type StreamSigner } from '../routing/signed-stream.ts';
import type { StreamRouter } from '../routing/stream-router.ts';
import type { ServerCertificate } from '../tls/load-certificate.ts';
import type { SharedTickets } from '../tls/shared-tickets.ts';

/** A TLS handshake on a port may take this long, ms. */
const TLS_HANDSHAKE_MS = 10_000;
/** Keep-alive probes start after this long without traffic, ms: they find clients that vanished. */
const KEEP_ALIVE_MS = 60_000;

export interface TcpPortOptions {
  readonly listen: ListenAddress;
  /** What the port is called among the listening sockets, and who opens them. */
  readonly name: string;
  readonly sockets: ListeningSockets;
  /** Normal form. */
  readonly hostname: string;
  /** Terminate TLS with this certificate; absent: pass bytes as they are. */
  readonly tls?: Pick<ServerCertificate, 'cert' | 'key'> | undefined;
  readonly tickets: SharedTickets;
  readonly router: StreamRouter;
  readonly arrivals: Pick<Arrivals, 'wait'>;
  readonly access: TcpAccess;
  readonly signer: StreamSigner;
  readonly log: Log;
}

/** A connection that has no stream yet. */
interface OpenConnection {
  readonly socket: Socket;
  readonly client: { readonly address: string; readonly port: number };
  readonly requestId: string;
  /** Of log lines. */
  readonly fields: Record<string, unknown>;
}

/** A connection with its stream. */
interface CarriedConnection {
  readonly socket: Socket;
  readonly stream: Stream;
  readonly grant: TcpGrant;
  readonly facts: TcpStreamFacts;
  /** Of log lines. */
  readonly fields: Record<string, unknown>;
}

export class TcpPort {
  readonly #options: TcpPortOptions;
  /** What listens: open() has it. */
  readonly server: Server | TlsServer;
  /** Open connections, the oldest first, and since when. */
  readonly #sockets = new Map<Socket, number>();
  #onIdle: () => void = () => undefined;

  constructor(options: TcpPortOptions) {
    this.#options = options;
    const common = { allowHalfOpen: true, noDelay: true };
    const serve = (socket: Socket): void => this.#serve(socket);
    const { tls, tickets } = options;
    const secure = { ...common, ...tls, ...tickets, handshakeTimeout: TLS_HANDSHAKE_MS };
    this.server =
      tls === undefined ? createTcpServer(common, serve) : createTlsServer(secure, serve);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** When the oldest open connection came, as the system's clock counts; undefined without any. */
  get oldestSince(): number | undefined {
    const [oldest] = this.#sockets.values();
    return oldest;
  }

  get hostname(): string {
    return this.#options.hostname;
  }

  /** Opens the port and returns the real address. Throws CONFIG_PORT_IN_USE. */
  async open(): Promise<ListenAddress> {
    const { name, listen, sockets } = this.#options;
    return sockets.listen(name, listen, this.server);
  }

  /** Serves this certificate from now on, where TLS ends here. Live connections are untouched. */
  renew({ cert, key }: Pick<ServerCertificate, 'cert' | 'key'>): void {
    if ('setSecureContext' in this.server) {
      this.server.setSecureContext({ cert, key, ...this.#options.tickets });
    }
  }

  /** Takes no new connections; those that are open go on. */
  stopAccepting(): void {
    this.server.close();
  }

  /** Resolves when no connection is left. */
  async idle(): Promise<void> {
    if (this.#sockets.size === 0) return;
    await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** Cuts what is open. */
  close(): void {
    this.stopAccepting();
    for (const socket of this.#sockets.keys()) abortSocket(socket);
  }

  #serve(socket: Socket): void {
    const { hostname, log } = this.#options;
    const requestId = newRequestId();
    const client = clientOf(socket);
    const fields = {
      [FIELD.request]: requestId,
      [FIELD.hostname]: hostname,
      [FIELD.client]: client.address,
    };
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#sockets.set(socket, systemClock.now());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onIdle();
    });
    // Between accept and the pump an error must not go unheard.
    socket.on('error', (err) => log.debug({ ...fields, [FIELD.err]: err }, 'socket error'));
    this.#open({ socket, client, requestId, fields });
  }

  /** Opens its stream, now or when its connector has come. */
  #open(connection: OpenConnection): void {
    const { hostname, router, arrivals, access, signer, log } = this.#options;
    const { socket, client, requestId, fields } = connection;
    const { address } = client;
    try {
      const grant = access.admit({ hostname, address, requestId });
      const { replica, rule } = router.route('tcp', hostname, '');
      const request = { kind: 'tcp' as const, hostname, rule: rule.id, requestId, client };
      const stream = replica.open(signedStream(signer, rule, request, grant.right));
      const opened = {
        ...fields,
        [FIELD.tunnelName]: replica.tunnel.name,
        [FIELD.replica]: replica.id,
      };
      const { application } = grant;
      const place = { hostname, application, address, requestId, replica: replica.id };
      const facts = { ...place, tunnelName: replica.tunnel.name };
      this.#carry({ socket, stream, grant, facts, fields: opened });
    } catch (error) {
      const waiting = arrivals.wait(error, hostname, () => {
        if (!socket.destroyed) this.#open(connection);
      });
      if (waiting !== undefined) {
        socket.once('close', () => waiting.release());
        return;
      }
      log.warn({ ...fields, [FIELD.err]: error }, 'TCP connection refused');
      abortSocket(socket);
    }
  }

  #carry({ socket, stream, grant, facts, fields }: CarriedConnection): void {
    const { log, access } = this.#options;
    const since = systemClock.now();
    log.info(fields, 'TCP stream opened');
    access.started(facts);
    const held = grant.hold((error) => stream.reset('ACCESS_REVOKED', error.message));
    pumpSocket(socket, stream, {
      onClose: () => {
        const { error, bytesSent, bytesReceived } = stream;
        const durationMs = Math.round(systemClock.now() - since);
        held.release();
        access.ended(facts, { bytesSent, bytesReceived, durationMs, error });
        const ended = { ...fields, bytesSent, bytesReceived, durationMs };
        log.info({ ...ended, ...(error && { [FIELD.err]: error }) }, 'TCP stream ended');
      },
    });
  }
}

/** Where a connection comes from. An IPv4 address looks like one, also on a socket that takes both families. */
function clientOf({ remoteAddress = '', remotePort = 0 }: Socket): {
  address: string;
  port: number;
} {
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), port: remotePort };
}
