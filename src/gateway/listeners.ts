/**
 * What listens in a gateway: HTTPS, plain HTTP, TCP ports and the operators' port. design.md §4.
 *
 * Opens all of it or says where the address was written that cannot be opened, stops accepting without touching what is
 * open, and accepts again when a drain is taken back. What becomes of a connection is decided behind it.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { GatewayConfig } from '../config/gateway-config.ts';
import {
  formatListenRange,
  type ListenAddress,
  type ListenRange,
} from '../config/listen-address.ts';
import { placedError } from '../config/value-place.ts';
import type { KeyPath } from '../config/yaml-file.ts';
import type { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import type { Log } from '../telemetry/log.ts';
import { startOpsServer, type OpsServer, type Readiness } from '../telemetry/ops-server.ts';
import type { ListeningSockets } from '../transport/listen-on.ts';
import type { TcpAccess } from './access/tcp-access.ts';
import type { Arrivals } from './routing/arrivals.ts';
import { Certificates } from './tls/certificates.ts';
import type { HttpHandler } from './http/http-handler.ts';
import { createRedirectServer } from './http/user/redirect-server.ts';
import { HTTP_SERVER_OPTIONS } from './http/user/server-options.ts';
import { ALPN_PROTOCOLS } from './http2/http2-options.ts';
import { Newcomers } from './newcomers.ts';
import type { StreamSigner } from './routing/signed-stream.ts';
import type { StreamRouter } from './routing/stream-router.ts';
import { TcpPort } from './tcp/tcp-port.ts';
import { loadCertificate, type ServerCertificate } from './tls/load-certificate.ts';
import { sharedTickets, type SharedTickets } from './tls/shared-tickets.ts';

/** A TLS handshake may take this long, ms. Node's own limit is two minutes, in which a stranger holds a socket for nothing. */
const TLS_HANDSHAKE_MS = 10_000;

export interface ListenersOptions {
  readonly config: GatewayConfig;
  readonly sockets: ListeningSockets;
  /** See GatewayOptions. */
  readonly ticketKeys: Buffer | undefined;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly http: HttpHandler;
  readonly tcp: {
    readonly router: StreamRouter;
    readonly arrivals: Arrivals;
    readonly access: TcpAccess;
    readonly signer: StreamSigner;
  };
  readonly ready: () => Readiness;
  /** HTTPS listens there. */
  readonly onHttps: (port: number) => void;
}

/** One listening socket, for opening it again. */
interface Listener {
  readonly name: string;
  readonly open: () => Promise<ListenRange>;
}

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #certificates: Certificates;
  readonly #tickets: SharedTickets;
  /** Of a TLS server: asks users for a certificate, and takes them without. */
  #clientCa: Pick<TlsOptions, 'ca' | 'requestCert' | 'rejectUnauthorized'> = {};
  readonly #addresses: Record<string, string> = {};
  readonly #listeners: Listener[] = [];
  readonly #httpServers: (HttpServer | HttpsServer)[] = [];
  readonly #tcpPorts: TcpPort[] = [];
  readonly #newcomers = new Newcomers();
  #ops: OpsServer | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    const { config, log, ticketKeys } = options;
    const { dataDir, domain, tls } = config;
    this.#certificates = new Certificates({ dataDir, domain, files: tls, log });
    this.#tickets = sharedTickets(ticketKeys);
  }

  /** Real addresses, by name: `https`, `http`, `metrics`, `tcp[0]`. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses;
  }

  /** Connections that were accepted and are nobody's yet. */
  get newcomers(): number {
    return this.#newcomers.size;
  }

  /** Plain TCP connections that are open. */
  get tcpConnections(): number {
    return this.#tcpPorts.reduce((sum, port) => sum + port.connectionCount, 0);
  }

  /** When the oldest of them came, as the system's clock counts; undefined without any. */
  get tcpSince(): number | undefined {
    const since = this.#tcpPorts.flatMap(({ oldestSince }) => oldestSince ?? []);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** Opens everything, what users reach before what operators watch. Throws CONFIG_*; close() then releases the rest. */
  async open(): Promise<void> {
    const { config } = this.#options;
    const { https, http, metrics: ops } = config.listen;
    const own = await this.#certificates.load();
    if (config.clientCaFile !== undefined) {
      const ca = await readFile(config.clientCaFile);
      this.#clientCa = { ca, requestCert: true, rejectUnauthorized: false };
    }
    if (https !== undefined) await this.#openHttps(https, own);
    if (http !== undefined) {
      const server = this.#createHttpServer();
      await this.#openServer('http', http, server);
    }
    await this.#openTcpPorts(own);
    if (ops !== undefined) {
      const open = async (): Promise<ListenAddress> => this.#openOps(ops);
      await this.#opened({ name: 'metrics', open }, ['listen', 'metrics']);
    }
  }

  /** Has TCP ports go by other rules. Their addresses and their TLS are those of the start. */
  changeTcp(listeners: GatewayConfig['tcp']): void {
    for (const [index, port] of this.#tcpPorts.entries()) {
      const listener = listeners[index];
      if (listener !== undefined) port.change(listener);
    }
  }

  /**
   * Accepts no more connections; those that are open go on, idle ones too. `isHandOver`: operators reach the successor from
   * now on, and otherwise this process, until the end.
   */
  async stopAccepting(isHandOver: boolean): Promise<void> {
    // Not HTTP's own close(), which cuts kept-alive connections on which a request may be under way.
    for (const server of this.#httpServers) NetServer.prototype.close.call(server);
    for (const port of this.#tcpPorts) port.stopAccepting();
    if (isHandOver) await this.#closeOps();
  }

  /** Accepts connections again after stopAccepting(). Throws CONFIG_PORT_IN_USE, and then accepts none. */
  async acceptAgain(): Promise<void> {
    try {
      for (const { name, open } of this.#listeners) {
        // One after the other, as at the start.
        // oxlint-disable-next-line no-await-in-loop
        if (name !== 'metrics' || this.#ops === undefined) await open();
      }
    } catch (error) {
      await this.stopAccepting(true);
      throw error;
    }
  }

  /** Accepts nothing more and cuts plain TCP connections. Safe to call twice, and after an open() that failed half-way. */
  close(): void {
    this.#certificates.stop();
    for (const server of this.#httpServers) server.close();
    for (const port of this.#tcpPorts) port.close();
  }

  /** Resolves when no plain TCP connection is left. */
  async idle(): Promise<void> {
    await Promise.all(this.#tcpPorts.map((port) => port.idle()));
  }

  /** Ends what close() leaves to the last: operators see the end. Safe to call twice. */
  async closeOps(): Promise<void> {
    await this.#closeOps();
  }

  async #openHttps(address: ListenAddress, { cert, key }: ServerCertificate): Promise<void> {
    const server = createHttpsServer({
      ...HTTP_SERVER_OPTIONS,
      cert,
      key,
      ALPNProtocols: ALPN_PROTOCOLS,
      handshakeTimeout: TLS_HANDSHAKE_MS,
      ...this.#tickets,
      ...this.#clientCa,
    });
    // What is renewed replaces all of it, the authorities of users' certificates too.
    this.#certificates.onRenewed((renewed) => {
      server.setSecureContext({ ...renewed, ...this.#tickets, ...this.#clientCa });
    });
    this.#options.http.attach(server);
    this.#newcomers.track(server);
    const { port } = await this.#openServer('https', address, server);
    this.#options.onHttps(port);
  }

  #createHttpServer(): HttpServer {
    const { plaintext, listen } = this.#options.config;
    if (!plaintext) {
      const { log } = this.#options;
      const redirecting = createRedirectServer({ httpsPort: listen.https?.port ?? 443, log });
      this.#newcomers.track(redirecting);
      return redirecting;
    }
    const server = createHttpServer(HTTP_SERVER_OPTIONS);
    this.#options.http.attach(server);
    return server;
  }

  async #openServer(
    name: 'https' | 'http',
    address: ListenAddress,
    server: HttpServer | HttpsServer,
  ): Promise<ListenRange> {
    this.#httpServers.push(server);
    const open = async (): Promise<ListenAddress> =>
      this.#options.sockets.listen(name, address, server);
    return this.#opened({ name, open }, ['listen', name]);
  }

  async #openTcpPorts(own: ServerCertificate): Promise<void> {
    const { config, log, tcp, sockets } = this.#options;
    for (const [index, listener] of config.tcp.entries()) {
      const { tls } = listener;
      // One after the other: the first address that cannot be opened is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      const certificate = typeof tls === 'object' ? await loadCertificate(tls) : tls && own;
      const name = `tcp[${index}]`;
      const socket = { name, listener, sockets, tickets: this.#tickets };
      const port = new TcpPort({ ...socket, tls: certificate, ...tcp, log });
      this.#tcpPorts.push(port);
      if (tls === 'terminate') this.#certificates.onRenewed((renewed) => port.renew(renewed));
      const open = async (): Promise<ListenRange> => port.open();
      // oxlint-disable-next-line no-await-in-loop
      await this.#opened({ name, open }, ['tcp', index, 'listen']);
    }
  }

  async #openOps(listen: ListenAddress): Promise<ListenAddress> {
    this.#ops = await startOpsServer({
      listen,
      open: async (server, address) => this.#options.sockets.listen('metrics', address, server),
      registry: this.#options.metrics.registry,
      ready: this.#options.ready,
    });
    return this.#ops.address;
  }

  async #closeOps(): Promise<void> {
    const ops = this.#ops;
    this.#ops = undefined;
    await ops?.close();
  }

  /** Opens a listener and keeps its real address. The error of one that cannot be opened says where its address was written. */
  async #opened(listener: Listener, at: KeyPath): Promise<ListenRange> {
    try {
      const address = await listener.open();
      this.#addresses[listener.name] = formatListenRange(address);
      this.#listeners.push(listener);
      return address;
    } catch (error) {
      throw placedError(this.#options.config, at, error);
    }
  }
}
