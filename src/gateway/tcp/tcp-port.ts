/**
 * A TCP listener: one port or several beside each other, who may connect to them, and where connections go. design.md §4
 * "Plain TCP ports".
 *
 * Whatever is said of it but its addresses may change while it is open: connections that come then are treated by the new
 * rules, those that are open go on. Nothing is read before the destination is known, except what is needed to know it.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { isInRange } from '../../config/access/ip-range.ts';
import { addressesOf, type ListenAddress, type ListenRange } from '../../config/listen-address.ts';
import type { TcpListener } from '../../config/tcp-listener.ts';
import { systemClock } from '../../core/clock.ts';
import { PosternError, codeOf } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { ListeningSockets } from '../../transport/listen-on.ts';
import { abortSocket, carrierOf } from '../../transport/socket-pump.ts';
import { clientOf } from '../front/client-address.ts';
import { readProxyHeader } from '../front/proxied-server.ts';
import type { TrustedProxies } from '../front/trusted-proxies.ts';
import type { ServerCertificate } from '../tls/load-certificate.ts';
import type { SharedTickets } from '../tls/shared-tickets.ts';
import { ConnectionShares } from './connection-shares.ts';
import { TcpCarrier, type TcpCarrierOptions } from './tcp-carrier.ts';

/** A TLS handshake on a port may take this long, ms. */
const TLS_HANDSHAKE_MS = 10_000;
/** Keep-alive probes start after this long without traffic, ms: they find clients that vanished. */
const KEEP_ALIVE_MS = 60_000;

export interface TcpPortOptions extends TcpCarrierOptions {
  /** What the port is called among the listening sockets, and who opens them. */
  readonly name: string;
  readonly sockets: ListeningSockets;
  /** What is written of it; `tls` is for whoever loads the certificate. */
  readonly listener: Omit<TcpListener, 'tls'>;
  /** Terminate TLS with this certificate; absent: pass bytes as they are. */
  readonly tls?: Pick<ServerCertificate, 'cert' | 'key'> | undefined;
  readonly tickets: SharedTickets;
  /** Whose PROXY headers are read. */
  readonly proxies: TrustedProxies;
}

/** One listening socket. */
interface Door {
  readonly name: string;
  readonly address: ListenAddress;
  readonly server: Server;
}

/** A connection from its first moment. */
interface Connection {
  /** Of the TCP connection. */
  readonly raw: Socket;
  /** What is spoken over: TLS's where TLS ends here. */
  socket: Socket;
  /** TLS has begun and has no result. */
  isShakingHands: boolean;
  readonly since: number;
  readonly portOffset: number;
  readonly requestId: string;
}

export class TcpPort {
  readonly #options: TcpPortOptions;
  readonly #carrier: TcpCarrier;
  readonly #doors: readonly Door[];
  /** Speaks TLS on connections that the doors accepted. */
  readonly #tls: TlsServer | undefined;
  readonly #shares = new ConnectionShares();
  /** By the TCP connection, the oldest first. */
  readonly #connections = new Map<Socket, Connection>();
  #listener: TcpPortOptions['listener'];
  #onIdle: () => void = () => undefined;

  constructor(options: TcpPortOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#carrier = new TcpCarrier(options);
    const addresses = addressesOf(options.listener.listen);
    this.#doors = addresses.map((address, offset) => ({
      name: offset === 0 ? options.name : `${options.name}+${offset}`,
      address,
      server: createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        this.#accept(socket, offset),
      ),
    }));
    if (options.tls !== undefined) this.#tls = this.#createTls(options.tls);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** When the oldest open connection came, as the system's clock counts; undefined without any. */
  get oldestSince(): number | undefined {
    const [oldest] = this.#connections.values();
    return oldest?.since;
  }

  /** Opens it and returns the real addresses. Throws CONFIG_PORT_IN_USE. */
  async open(): Promise<ListenRange> {
    const { sockets, listener } = this.#options;
    const opened: ListenAddress[] = [];
    for (const { name, address, server } of this.#doors) {
      // One after the other: the first address that cannot be opened is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      opened.push(await sockets.listen(name, address, server));
    }
    const [first = listener.listen] = opened;
    const last = opened.at(-1)?.port ?? first.port;
    return last === first.port ? first : { ...first, lastPort: last };
  }

  /** Goes by these rules from now on. The addresses are left as they are. */
  change(listener: TcpPortOptions['listener']): void {
    this.#listener = listener;
  }

  /** Serves this certificate from now on, where TLS ends here. Live connections are untouched. */
  renew({ cert, key }: Pick<ServerCertificate, 'cert' | 'key'>): void {
    this.#tls?.setSecureContext({ cert, key, ...this.#options.tickets });
  }

  /** Takes no new connections; those that are open go on. */
  stopAccepting(): void {
    for (const { server } of this.#doors) server.close();
  }

  /** Resolves when no connection is left. */
  async idle(): Promise<void> {
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /** Cuts what is open. */
  close(): void {
    this.stopAccepting();
    for (const { raw, socket, isShakingHands } of this.#connections.values()) {
      // What resets a connection below TLS has to go through the TLS socket, and there is none yet.
      if (isShakingHands) raw.destroy();
      else abortSocket(socket);
    }
  }

  #createTls(certificate: Pick<ServerCertificate, 'cert' | 'key'>): TlsServer {
    const { tickets } = this.#options;
    const { cert, key } = certificate;
    const server = createTlsServer(
      { cert, key, ...tickets, handshakeTimeout: TLS_HANDSHAKE_MS },
      (socket) => this.#secured(socket),
    );
    return server;
  }

  #accept(raw: Socket, portOffset: number): void {
    const requestId = newRequestId();
    const connection: Connection = {
      raw,
      socket: raw,
      isShakingHands: false,
      since: systemClock.now(),
      portOffset,
      requestId,
    };
    raw.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#connections.set(raw, connection);
    raw.once('close', () => {
      this.#connections.delete(raw);
      if (this.#connections.size === 0) this.#onIdle();
    });
    // Between accept and the pump an error must not go unheard.
    raw.on('error', (err) => {
      this.#options.log.debug({ ...this.#fieldsOf(connection), [FIELD.err]: err }, 'socket error');
    });
    if (this.#listener.proxyProtocol === 'off') {
      this.#admit(connection);
      return;
    }
    readProxyHeader(raw, this.#options.proxies, {
      done: () => this.#admit(connection),
      failed: (error) => this.#refuse(connection, error),
    });
  }

  #refuse(connection: Connection, error: unknown): void {
    const { raw } = connection;
    // Somebody who connects to see whether we are there, and leaves.
    if (codeOf(error) === 'STREAM_CANCELLED') raw.destroy();
    else this.#carrier.refuse({ socket: raw, fields: this.#fieldsOf(connection) }, error);
  }

  #admit(connection: Connection): void {
    const { raw } = connection;
    try {
      this.#checkAddress(connection);
    } catch (error) {
      this.#refuse(connection, error);
      return;
    }
    if (this.#tls === undefined) {
      this.#carry(connection);
      return;
    }
    connection.isShakingHands = true;
    this.#tls.emit('connection', raw);
  }

  /** Throws TCP_DENIED and TCP_LIMIT. */
  #checkAddress({ raw }: Connection): void {
    const { allow, deny } = this.#listener;
    const { address } = clientOf(raw);
    if (deny.some((range) => isInRange(range, address))) throw denied(address, 'is in deny');
    if (allow.length > 0 && !allow.some((range) => isInRange(range, address))) {
      throw denied(address, 'is not in allow');
    }
    raw.once('close', this.#shares.take(address, this.#listener));
  }

  #secured(socket: TLSSocket): void {
    const raw = carrierOf(socket);
    const connection = raw && this.#connections.get(raw);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    connection.socket = socket;
    connection.isShakingHands = false;
    socket.on('error', (err) => {
      this.#options.log.debug({ ...this.#fieldsOf(connection), [FIELD.err]: err }, 'socket error');
    });
    this.#carry(connection);
  }

  #carry(connection: Connection): void {
    const { hostname, idleTimeoutMs } = this.#listener;
    const { socket, raw, portOffset, requestId } = connection;
    const client = clientOf(raw);
    const fields = this.#fieldsOf(connection);
    this.#carrier.carry({ socket, client, hostname, portOffset, idleTimeoutMs, requestId, fields });
  }

  #fieldsOf({ raw, requestId }: Connection): Record<string, unknown> {
    return {
      [FIELD.request]: requestId,
      [FIELD.hostname]: this.#listener.hostname,
      [FIELD.client]: clientOf(raw).address,
    };
  }
}

function denied(address: string, why: string): PosternError {
  return new PosternError('TCP_DENIED', `Cannot take the connection: ${address} ${why}`);
}
