/**
 * What listens in a gateway: HTTPS, plain HTTP, TCP ports and the operators' port. design.md §4.
 *
 * Opens all of it or says where the address was written that cannot be opened, stops accepting without touching what is
 * open, and accepts again when a drain is taken back. What becomes of a connection is decided behind it.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
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
import type { Refusal } from '../telemetry/refusal-log.ts';
import type { ListeningSockets } from '../transport/listen-on.ts';
import type { TcpAccess } from './access/tcp-access.ts';
import type { Arrivals } from './routing/arrivals.ts';
import type { FrontDoor } from './front/front-door.ts';
import { createProxiedServer } from './front/proxied-server.ts';
import type { TrustedProxies } from './front/trusted-proxies.ts';
import { Certificates } from './tls/certificates.ts';
import type { HttpHandler } from './http/http-handler.ts';
import { createRedirectServer } from './http/user/redirect-server.ts';
import { HTTP_SERVER_OPTIONS, serverLimits } from './http/user/server-options.ts';
import { ALPN_PROTOCOLS } from './http2/http2-options.ts';
import { Newcomers } from './newcomers.ts';
import type { StreamSigner } from './routing/signed-stream.ts';
import type { StreamRouter } from './routing/stream-router.ts';
import { readPortFiles, type PortTls } from './tcp/port-tls.ts';
import { TcpPort } from './tcp/tcp-port.ts';
import { type ServerCertificate } from './tls/load-certificate.ts';
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
  readonly proxies: TrustedProxies;
  readonly door: FrontDoor;
  /** A connection was refused. */
  readonly onRefused: (refusal: Refusal) => void;
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

/** Certificates that were read and are not served yet, and rules that are not gone by yet. */
export interface PreparedListeners {
  /** How many of them, and of the authorities of users, are others than before. */
  readonly certificates: number;
  /** Serves those who come from now on by them. */
  apply(): void;
}

/** A port with certificates or authorities of its own. */
interface CertifiedPort {
  readonly port: TcpPort;
  served: Partial<PortTls>;
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
  /** What listens for them, where that is not they. */
  readonly #fronts: NetServer[] = [];
  readonly #tcpPorts: TcpPort[] = [];
  /** By their place in the file. */
  readonly #certifiedPorts = new Map<number, CertifiedPort>();
  #https: HttpsServer | undefined;
  #own: ServerCertificate | undefined;
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
    this.#clientCa = await readClientCa(config);
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

  /**
   * Reads the certificates that a configuration names, whose listeners are the ones that are open. What comes back serves them,
   * and has TCP ports go by its rules. Throws CONFIG_*, and nothing has changed.
   */
  async prepare(config: GatewayConfig): Promise<PreparedListeners> {
    const own = await this.#certificates.prepare(config.tls);
    const clientCa = await readClientCa(config);
    const isOtherCa = String(clientCa.ca) !== String(this.#clientCa.ca);
    const renewed = await this.#readOfPorts(config);
    return {
      certificates: renewed.length + Number(own.isOther) + Number(isOtherCa),
      apply: () => {
        this.#clientCa = clientCa;
        own.apply();
        if (isOtherCa && !own.isOther) this.#serveHttps();
        for (const [index, port] of this.#tcpPorts.entries()) {
          const listener = config.tcp[index];
          if (listener !== undefined) port.change(listener);
        }
        for (const [certified, certificate] of renewed) {
          certified.served = certificate;
          certified.port.renew(certificate);
        }
      },
    };
  }

  /**
   * Accepts no more connections; those that are open go on, idle ones too. `isHandOver`: operators reach the successor from
   * now on, and otherwise this process, until the end.
   */
  async stopAccepting(isHandOver: boolean): Promise<void> {
    // Not HTTP's own close(), which cuts kept-alive connections on which a request may be under way.
    for (const server of [...this.#httpServers, ...this.#fronts]) {
      NetServer.prototype.close.call(server);
    }
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
    for (const server of [...this.#httpServers, ...this.#fronts]) server.close();
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

  /** Certificates of ports with files of their own that are others than before. */
  async #readOfPorts({ tcp }: GatewayConfig): Promise<[CertifiedPort, Partial<PortTls>][]> {
    const read = [...this.#certifiedPorts].map(
      async ([index, certified]): Promise<[CertifiedPort, Partial<PortTls>]> => [
        certified,
        await readPortFiles(tcp[index]?.tls),
      ],
    );
    return (await Promise.all(read)).filter(([{ served }, files]) =>
      (['cert', 'key', 'clientCa'] as const).some((key) => files[key] !== served[key]),
    );
  }

  /** What is renewed replaces all of it, the authorities of users' certificates too. */
  #serveHttps(): void {
    this.#https?.setSecureContext({ ...this.#own, ...this.#tickets, ...this.#clientCa });
  }

  async #openHttps(address: ListenAddress, own: ServerCertificate): Promise<void> {
    const { cert, key } = own;
    const server = createHttpsServer({
      ...HTTP_SERVER_OPTIONS,
      cert,
      key,
      ALPNProtocols: ALPN_PROTOCOLS,
      handshakeTimeout: TLS_HANDSHAKE_MS,
      ...this.#tickets,
      ...this.#clientCa,
    });
    this.#https = server;
    this.#own = own;
    this.#certificates.onRenewed((renewed) => {
      this.#own = renewed;
      this.#serveHttps();
    });
    this.#options.http.attach(server);
    this.#newcomers.track(server);
    const { port } = await this.#openServer('https', address, server);
    this.#options.onHttps(port);
  }

  #createHttpServer(): HttpServer {
    const { plaintext, listen, externalPort } = this.#options.config;
    if (!plaintext) {
      const { log, config } = this.#options;
      const httpsPort = externalPort ?? listen.https?.port ?? 443;
      const limits = serverLimits(config.http);
      const redirecting = createRedirectServer({ httpsPort, log, server: limits });
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
    const { door, config } = this.#options;
    door.guard(server, name, name === 'https' || config.plaintext);
    const front = this.#proxied(name, server);
    const open = async (): Promise<ListenAddress> =>
      this.#options.sockets.listen(name, address, front);
    return this.#opened({ name, open }, ['listen', name]);
  }

  /** What listens for a server: another one in front of it where load balancers say for whom they come. */
  #proxied(listener: string, server: HttpServer | HttpsServer): NetServer {
    const { config, proxies, door, onRefused } = this.#options;
    if (config.proxyProtocol === 'off') return server;
    const { noDelay, keepAlive, keepAliveInitialDelay, highWaterMark } = HTTP_SERVER_OPTIONS;
    // As Node has it for the two.
    const allowHalfOpen = !('setSecureContext' in server);
    const sockets = { noDelay, keepAlive, keepAliveInitialDelay, highWaterMark, allowHalfOpen };
    const onAccepted = (socket: Socket): void => door.accepted(socket, listener);
    const front = createProxiedServer(server, {
      proxies,
      sockets,
      listener,
      onAccepted,
      onRefused,
    });
    this.#fronts.push(front);
    return front;
  }

  async #openTcpPorts(own: ServerCertificate): Promise<void> {
    const { config, log, tcp, sockets, proxies, onRefused } = this.#options;
    for (const [index, listener] of config.tcp.entries()) {
      const { tls } = listener;
      const isEnd = tls?.mode === 'terminate';
      // One after the other: the first address that cannot be opened is the one that is told.
      // oxlint-disable-next-line no-await-in-loop
      const served = await readPortFiles(tls);
      const name = `tcp[${index}]`;
      const socket = { name, listener, sockets, proxies, tickets: this.#tickets };
      const port = new TcpPort({
        ...socket,
        tls: isEnd ? { ...own, ...served } : undefined,
        ...tcp,
        log,
        onRefused,
      });
      this.#tcpPorts.push(port);
      if (Object.keys(served).length > 0) this.#certifiedPorts.set(index, { port, served });
      if (isEnd && tls.files === undefined) {
        this.#certificates.onRenewed(({ cert, key }) => port.renew({ cert, key }));
      }
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
      beforeMetrics: () => this.#options.http.tellEnded(),
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

/** How users are asked for a certificate, where they are. */
async function readClientCa({
  clientCaFile,
}: GatewayConfig): Promise<Pick<TlsOptions, 'ca' | 'requestCert' | 'rejectUnauthorized'>> {
  if (clientCaFile === undefined) return {};
  return { ca: await readFile(clientCaFile), requestCert: true, rejectUnauthorized: false };
}
