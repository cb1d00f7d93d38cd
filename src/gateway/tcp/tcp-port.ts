/**
 * A TCP listener: one port or several beside each other, who may connect to them, and where connections go. design.md §4
 * "Plain TCP ports".
 *
 * Whatever is said of it but its addresses may change while it is open: connections that come then are treated by the new
 * rules, those that are open go on. Nothing is read before the destination is known, except what is needed to know it.
 */
import type { Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import type { ClientCertificate } from '../../access/identity.ts';
import type { ListenRange } from '../../config/listen-address.ts';
import type { TcpListener } from '../../config/tcp-listener.ts';
import { systemClock } from '../../core/clock.ts';
import { PosternError, codeOf } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { ListeningSockets } from '../../transport/listen-on.ts';
import { abortSocket, carrierOf } from '../../transport/socket-pump.ts';
import { clientOf } from '../front/client-address.ts';
import { clientCertificateOf } from '../http/user/client-certificate.ts';
import { readProxyHeader } from '../front/proxied-server.ts';
import { readAhead } from '../front/read-ahead.ts';
import type { TrustedProxies } from '../front/trusted-proxies.ts';
import type { SharedTickets } from '../tls/shared-tickets.ts';
import { parseClientHello } from './client-hello.ts';
import { ConnectionShares, type ConnectionLimits } from './connection-shares.ts';
import { checkAddress, hostnameFor } from './listener-rules.ts';
import { PortDoors } from './port-doors.ts';
import { tlsOptions, type PortTls } from './port-tls.ts';
import { TcpCarrier, type TcpCarrierOptions } from './tcp-carrier.ts';

/** A TLS handshake on a port may take this long, ms. */
const TLS_HANDSHAKE_MS = 10_000;
/** Keep-alive probes start after this long without traffic, ms: they find clients that vanished. */
const KEEP_ALIVE_MS = 60_000;

export interface TcpPortOptions extends TcpCarrierOptions {
  /** Who opens the listening sockets. */
  readonly sockets: ListeningSockets;
  /** What is written of it; `tls` is for whoever loads the certificate. */
  readonly listener: Omit<TcpListener, 'tls'>;
  /** Terminate TLS with this; absent: pass bytes as they are. */
  readonly tls?: PortTls | undefined;
  readonly tickets: SharedTickets;
  /** Whose PROXY headers are read. */
  readonly proxies: TrustedProxies;
  /** Connections that may be here before it is known where they go. Default LIMITS.tcpOpening. */
  readonly mostOpening?: number;
}

/** A connection from its first moment. */
interface Connection {
  /** Of the TCP connection. */
  readonly raw: Socket;
  /** What is spoken over: TLS's where TLS ends here. */
  socket: Socket;
  /** TLS has begun and has no result. */
  isShakingHands: boolean;
  /** Where it goes, once that is known. */
  hostname: string | undefined;
  readonly since: number;
  readonly portOffset: number;
  readonly requestId: string;
}

export class TcpPort {
  readonly #options: TcpPortOptions;
  readonly #carrier: TcpCarrier;
  readonly #doors: PortDoors;
  /** Speaks TLS on connections that the doors accepted. */
  readonly #tls: TlsServer | undefined;
  #served: PortTls = { cert: '', key: '' };
  readonly #shares = new ConnectionShares();
  /** By the TCP connection, the oldest first. */
  readonly #connections = new Map<Socket, Connection>();
  #listener: TcpPortOptions['listener'];
  /** Connections of which it is not known yet where they go, the oldest first. */
  readonly #opening = new Set<Connection>();
  #onIdle: () => void = () => undefined;

  constructor(options: TcpPortOptions) {
    this.#options = options;
    this.#listener = options.listener;
    this.#carrier = new TcpCarrier(options);
    const { name, sockets, listener } = options;
    this.#doors = new PortDoors({
      name,
      sockets,
      listen: listener.listen,
      onConnection: (socket, offset) => this.#accept(socket, offset),
    });
    if (options.tls !== undefined) {
      this.#served = options.tls;
      this.#tls = this.#createTls();
    }
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
    return this.#doors.open();
  }

  /** Goes by these rules from now on. The addresses are left as they are. */
  change(listener: TcpPortOptions['listener']): void {
    this.#listener = listener;
  }

  /** Serves this from now on, where TLS ends here; the rest is as before. Live connections are untouched. */
  renew(changed: Partial<PortTls>): void {
    this.#served = { ...this.#served, ...changed };
    this.#tls?.setSecureContext(tlsOptions(this.#served, this.#options.tickets));
  }

  /** Takes no new connections; those that are open go on. */
  stopAccepting(): void {
    this.#doors.close();
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

  #createTls(): TlsServer {
    const { tickets, log } = this.#options;
    const options = { ...tlsOptions(this.#served, tickets), handshakeTimeout: TLS_HANDSHAKE_MS };
    const server = createTlsServer(options, (socket) => this.#secured(socket));
    server.on('tlsClientError', (err, { remoteAddress }) => {
      log.debug({ [FIELD.client]: remoteAddress, [FIELD.err]: err }, 'TLS handshake failed');
    });
    return server;
  }

  #accept(raw: Socket, portOffset: number): void {
    const connection: Connection = {
      raw,
      socket: raw,
      isShakingHands: false,
      hostname: this.#onlyHostname,
      since: systemClock.now(),
      portOffset,
      requestId: newRequestId(),
    };
    raw.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#connections.set(raw, connection);
    this.#opening.add(connection);
    raw.once('close', () => {
      this.#opening.delete(connection);
      this.#connections.delete(raw);
      if (this.#connections.size === 0) this.#onIdle();
    });
    // Between accept and the pump an error must not go unheard.
    this.#logErrors(connection, raw);
    const { proxies, mostOpening = LIMITS.tcpOpening } = this.#options;
    if (this.#opening.size > mostOpening) this.#makeRoom(mostOpening);
    if (this.#listener.proxyProtocol === 'off') {
      this.#admit(connection);
    } else {
      readProxyHeader(raw, proxies, {
        done: () => this.#admit(connection),
        failed: (error) => this.#refuse(connection, error),
      });
    }
  }

  /** The one that has been here the longest leaves: whoever means to say where they go has done so by then. */
  #makeRoom(mostOpening: number): void {
    const [oldest] = this.#opening;
    if (oldest === undefined) return;
    this.#opening.delete(oldest);
    const why = `it does not say where it goes, and ${mostOpening} others came after it`;
    this.#refuse(oldest, new PosternError('TCP_LIMIT', `Cannot keep the connection: ${why}`));
  }

  #refuse(connection: Connection, error: unknown): void {
    const { raw, socket, isShakingHands } = connection;
    // Somebody who connects to see whether we are there, and leaves.
    if (codeOf(error) !== 'STREAM_CANCELLED')
      this.#carrier.tell({ fields: this.#fieldsOf(connection) }, error);
    // What resets a connection below TLS has to go through the TLS socket, and in a handshake there is none yet.
    if (isShakingHands || codeOf(error) === 'STREAM_CANCELLED') raw.destroy();
    else abortSocket(socket);
  }

  #admit(connection: Connection): void {
    const { raw } = connection;
    const { address } = clientOf(raw);
    try {
      checkAddress(this.#listener, address);
      raw.once('close', this.#shares.take(address, this.#limitsOf(address)));
    } catch (error) {
      this.#refuse(connection, error);
      return;
    }
    if (connection.hostname === undefined) this.#readName(connection);
    else this.#shakeHands(connection);
  }

  /** A proxy that does not say for whom it comes has the connections of many. */
  #limitsOf(address: string): ConnectionLimits {
    const { maxConnections, maxConnectionsPerAddress } = this.#listener;
    if (!this.#options.proxies.has(address)) return { maxConnections, maxConnectionsPerAddress };
    return { maxConnections, maxConnectionsPerAddress: 0 };
  }

  #readName(connection: Connection): void {
    readAhead(connection.raw, {
      clock: systemClock,
      limitMs: LIMITS.clientHelloMs,
      what: 'the ClientHello',
      code: 'TCP_HELLO',
      parse: (bytes) => {
        const hello = parseClientHello(bytes);
        return hello && { value: hostnameFor(this.#listener, hello), used: 0 };
      },
      done: (hostname) => {
        connection.hostname = hostname;
        this.#shakeHands(connection);
      },
      failed: (error) => this.#refuse(connection, error),
    });
  }

  /** Where TLS ends here, it does so from now on. */
  #shakeHands(connection: Connection): void {
    const { raw } = connection;
    if (this.#tls === undefined) {
      this.#carry(connection);
      return;
    }
    connection.isShakingHands = true;
    this.#tls.emit('connection', raw);
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
    this.#logErrors(connection, socket);
    if (this.#served.clientCa === undefined) {
      this.#carry(connection);
      return;
    }
    const certificate = clientCertificateOf(socket);
    if (certificate !== undefined) {
      this.#carry(connection, certificate);
      return;
    }
    const why = String(socket.authorizationError ?? 'there is none');
    this.#refuse(
      connection,
      new PosternError('TCP_CERTIFICATE', `Cannot accept the certificate of the client: ${why}`),
    );
  }

  #carry(connection: Connection, certificate?: ClientCertificate): void {
    const { idleTimeoutMs } = this.#listener;
    const { socket, raw, hostname = '', portOffset, requestId } = connection;
    const client = clientOf(raw);
    const fields = this.#fieldsOf(connection);
    const place = { socket, client, hostname, portOffset, certificate };
    this.#opening.delete(connection);
    this.#carrier.carry({ ...place, idleTimeoutMs, requestId, fields });
  }

  /** Where all connections go; undefined where each says where. */
  get #onlyHostname(): string | undefined {
    const { choice, hostnames } = this.#listener;
    return choice === 'only' ? hostnames[0]?.text : undefined;
  }

  #logErrors(connection: Connection, socket: Socket): void {
    socket.on('error', (err) => {
      this.#options.log.debug({ ...this.#fieldsOf(connection), [FIELD.err]: err }, 'socket error');
    });
  }

  #fieldsOf({ raw, hostname, requestId }: Connection): Record<string, unknown> {
    return {
      [FIELD.request]: requestId,
      ...(hostname !== undefined && { [FIELD.hostname]: hostname }),
      [FIELD.client]: clientOf(raw).address,
    };
  }
}
