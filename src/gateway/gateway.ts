/**
 * A gateway worker: its listeners, links and streams, from start to drain. design.md §4.
 *
 * Composes the parts and owns their order: what users reach is opened last and closed first. It decides nothing itself.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { TlsOptions } from 'node:tls';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { formatListenAddress, type ListenAddress } from '../config/listen-address.ts';
import { placedError } from '../config/value-place.ts';
import type { KeyPath } from '../config/yaml-file.ts';
import { systemClock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import { VERSION } from '../core/version.ts';
import { CLOSE_CODE } from '../protocol/link.ts';
import type { Store, Tunnel } from '../store/store.ts';
import type { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { startOpsServer, type OpsServer } from '../telemetry/ops-server.ts';
import { ChannelAccepter } from '../transport/accept-channel.ts';
import { BoundSockets, type ListeningSockets } from '../transport/listen-on.ts';
import { LINK_PATH } from '../transport/ws-frame-channel.ts';
import { GatewayAccess } from './access/gateway-access.ts';
import { Certificates } from './certificates.ts';
import type { ConnectedReplica } from './connected-replica.ts';
import { ConnectorAudit } from './connector-audit.ts';
import type { GatewayStatus, ReplicaStatus } from './gateway-status.ts';
import { HttpDestinations } from './http-destinations.ts';
import { HttpHandler, type HttpIntercept } from './http/http-handler.ts';
import { createRedirectServer } from './http/redirect-server.ts';
import { HTTP_SERVER_OPTIONS } from './http/server-options.ts';
import { CLOSE_RESTART } from './http/upgrade-registry.ts';
import { LinkDoor } from './link-door.ts';
import { clientStreamLog } from './relay/client-stream-log.ts';
import type { SignedInClient } from './relay/client-gate.ts';
import { ClientStreams } from './relay/client-streams.ts';
import { RouteTable } from './route-table.ts';
import { StreamRouter } from './stream-router.ts';
import { TcpPort } from './tcp/tcp-port.ts';
import { loadCertificate, type ServerCertificate } from './tls/load-certificate.ts';
import { sharedTickets, type SharedTickets } from './tls/shared-tickets.ts';
import { TunnelRegistry } from './tunnel-registry.ts';

/** Connectors dial again within this time after a drain, ms: spread out, and still quick. */
const DIAL_AGAIN_MS = 1_000;
/** A TLS handshake may take this long, ms. Node's own limit is two minutes, in which a stranger holds a socket for nothing. */
const TLS_HANDSHAKE_MS = 10_000;
/** WebSockets that are told to come back are gone within two seconds, ms; one that becomes live just then is not told. */
const CLOSE_WEBSOCKETS_MS = 2_500;
/** Sockets that are cut have closed within a moment, ms. */
const CUT_MS = 250;

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly store: Store;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  /** Who opens the listening sockets. Default: this process binds them. */
  readonly sockets?: ListeningSockets;
  /**
   * 48 bytes that session tickets of TLS are sealed with, for every port that speaks it: a worker that has the same takes
   * those of its predecessor. Default: keys of its own.
   */
  readonly ticketKeys?: Buffer;
}

export class Gateway {
  /** Names this run of the gateway to connectors. */
  readonly id = newId();
  readonly #options: GatewayOptions;
  readonly #sockets: ListeningSockets;
  readonly #startedAt = systemClock.wall();
  readonly #routes = new RouteTable();
  readonly #audit: ConnectorAudit;
  readonly #registry: TunnelRegistry;
  readonly #access: GatewayAccess;
  readonly #clientStreams: ClientStreams<SignedInClient>;
  readonly #door: LinkDoor;
  readonly #destinations: HttpDestinations;
  readonly #router: StreamRouter;
  readonly #http: HttpHandler;
  readonly #certificates: Certificates;
  readonly #httpServers: (HttpServer | HttpsServer)[] = [];
  readonly #tcpPorts: TcpPort[] = [];
  /** Of a TLS server: asks users for a certificate, and takes them without. */
  #clientCa: Pick<TlsOptions, 'ca' | 'requestCert' | 'rejectUnauthorized'> = {};
  readonly #tickets: SharedTickets;
  readonly #addresses: Record<string, string> = {};
  #ops: OpsServer | undefined;
  #isReady = false;
  #isDraining = false;

  constructor(options: GatewayOptions) {
    const { config, store, log, metrics } = options;
    this.#options = options;
    this.#sockets = options.sockets ?? new BoundSockets();
    this.#tickets = sharedTickets(options.ticketKeys);
    this.#audit = new ConnectorAudit({
      clock: systemClock,
      log,
      append: async (event) => store.audit.append(event),
    });
    this.#registry = new TunnelRegistry({
      clock: systemClock,
      metrics,
      resumeTimeoutMs: config.resumeTimeoutMs,
      events: {
        onJoin: (replica) => this.#replicaJoined(replica),
        onLeave: (replica) => this.#replicaLeft(replica),
      },
    });
    this.#access = this.#createAccess();
    const gate = this.#access.clients;
    const signer = this.#access.streams;
    this.#clientStreams = new ClientStreams({
      clock: systemClock,
      gate,
      routes: this.#routes,
      registry: this.#registry,
      events: this.#access.tcp.withAudit(clientStreamLog({ log, metrics })),
      signer,
    });
    this.#door = new LinkDoor({
      gatewayId: this.id,
      clock: systemClock,
      log,
      metrics,
      registry: this.#registry,
      routes: this.#routes,
      resumeTimeoutMs: config.resumeTimeoutMs,
      gate,
      clientStreams: this.#clientStreams,
      publicKeys: () => this.#access.publicKeys,
      verifyToken: async (token) => store.tunnels.verifyToken(token),
      onRefusedHostname: (replica, hostname) => {
        this.#audit.write(replica, { type: 'connector.hostname-refused', hostname });
      },
      onChange: (replica) => this.#dropIdleConnections(replica),
    });
    this.#router = new StreamRouter({ routes: this.#routes, registry: this.#registry });
    this.#destinations = new HttpDestinations(this.#router, signer);
    this.#http = new HttpHandler({
      router: this.#destinations,
      log,
      intercept: this.#linkIntercept(),
      gate: this.#access.http,
      onRequestEnd: ({ tunnelName, status, durationMs }) => {
        const series = tunnelName === undefined ? metrics.noTunnel : metrics.tunnel(tunnelName);
        series.httpRequest(status, durationMs / 1000);
      },
    });
    this.#certificates = new Certificates({
      dataDir: config.dataDir,
      domain: config.domain,
      files: config.tls,
      log,
    });
  }

  /** Real addresses of what listens, by name: `https`, `http`, `metrics`, `tcp[0]`. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses;
  }

  get isReady(): boolean {
    return this.#isReady && !this.#isDraining;
  }

  /** Opens everything. Throws CONFIG_* and leaves nothing open. */
  async start(): Promise<void> {
    try {
      await this.loadRoutes();
      await this.#access.start();
      await this.#listen();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#isReady = true;
    const fields = { [FIELD.version]: VERSION, addresses: this.#addresses };
    this.#options.log.info(fields, 'gateway ready');
  }

  /** Reads the routes again, after somebody changed them, and tells the connectors. */
  async loadRoutes(): Promise<void> {
    this.#routes.load(await this.#options.store.routes.list());
    this.#door.announceRoutes();
  }

  /** Puts other policies in force, for what is open too. */
  setPolicies(config: GatewayConfig): void {
    this.#access.setConfig(config);
  }

  /** Ends every link and stream of a tunnel whose token was rotated, or which was deleted. */
  revokeTunnel(tunnel: Tunnel, reason: 'rotated' | 'deleted'): void {
    const why = reason === 'rotated' ? 'its token was rotated' : 'it was deleted';
    const error = new PosternError(
      'REGISTER_REVOKED',
      `Cannot serve tunnel "${tunnel.name}": ${why}`,
    );
    // Before their streams break: a WebSocket that is told to come back does, whoever serves it then.
    this.#http.upgrades.close(CLOSE_RESTART, error, ({ tunnelId }) => tunnelId === tunnel.id);
    this.#clientStreams.endTunnel(tunnel.id, error);
    for (const replica of this.#registry.evict(tunnel.id, error))
      this.#dropIdleConnections(replica);
    this.#door.close(CLOSE_CODE.refused, error, tunnel.id);
    const fields = { [FIELD.tunnel]: tunnel.id, [FIELD.tunnelName]: tunnel.name };
    this.#options.log.info({ ...fields, [FIELD.reason]: why }, 'the tunnel was revoked');
    if (reason !== 'deleted') return;
    this.#options.metrics.removeTunnel(tunnel.name);
    this.#audit.forget(tunnel.id);
  }

  /** The replicas of a tunnel that are connected here. */
  replicas(tunnelId: string): ReplicaStatus[] {
    return this.#registry.replicasOf(tunnelId).map(describeReplica);
  }

  status(): GatewayStatus {
    const { requests, upgrades } = this.#http.stats;
    return {
      id: this.id,
      version: VERSION,
      startedAt: this.#startedAt,
      isDraining: this.#isDraining,
      links: this.#door.linkCount,
      httpRequests: requests,
      webSockets: upgrades,
      tcpConnections: this.#tcpPorts.reduce((sum, port) => sum + port.connectionCount, 0),
      clients: this.#door.clientCount,
      clientStreams: this.#clientStreams.attachedCount,
      addresses: this.#addresses,
    };
  }

  /**
   * Takes nothing new, lets what is under way end, then stops. Returns how many requests, WebSockets and TCP connections
   * were cut when `graceMs` was over.
   */
  async drain(graceMs: number): Promise<number> {
    this.#isDraining = true;
    for (const server of this.#httpServers) server.close();
    for (const port of this.#tcpPorts) port.stopAccepting();
    this.#door.drain(DIAL_AGAIN_MS, graceMs);
    await Promise.race([this.#idle(), wait(graceMs)]);
    const { httpRequests, webSockets, tcpConnections } = this.status();
    const error = new PosternError('STREAM_REFUSED', 'Cannot go on: the gateway stops');
    this.#http.upgrades.close(CLOSE_RESTART, error);
    await Promise.race([this.#http.upgrades.gone(), wait(CLOSE_WEBSOCKETS_MS)]);
    await this.stop();
    return httpRequests + webSockets + tcpConnections;
  }

  /** Stops at once. Safe to call twice, and after a start that failed half-way. */
  async stop(): Promise<void> {
    this.#isReady = false;
    this.#certificates.stop();
    for (const server of this.#httpServers) server.close();
    const gone = this.#idle();
    for (const port of this.#tcpPorts) port.close();
    this.#http.close();
    // What is cut resets its stream once its socket has closed, and connectors must hear of it: they would keep their
    // connection to the origin until the resume timeout.
    await Promise.race([gone, wait(CUT_MS)]);
    await new Promise((resolve) => setImmediate(resolve));
    this.#door.close(CLOSE_CODE.goingAway, new PosternError('LINK_CLOSED', 'the gateway stops'));
    await this.#ops?.close();
    this.#ops = undefined;
    await this.#access.stop();
  }

  /** Takes nothing new on users' connections, and resolves when none of them carries anything. */
  async #idle(): Promise<void> {
    await Promise.all([this.#http.drain(), ...this.#tcpPorts.map((port) => port.idle())]);
  }

  async #listen(): Promise<void> {
    const { config, log } = this.#options;
    const { https, http, metrics: ops } = config.listen;
    const own = await this.#certificates.load();
    if (config.clientCaFile !== undefined) {
      const ca = await readFile(config.clientCaFile);
      this.#clientCa = { ca, requestCert: true, rejectUnauthorized: false };
    }
    if (https !== undefined) await this.#listenHttps(https, own);
    if (http !== undefined) await this.#listenHttp(http);
    for (const [index, { listen, hostname, tls }] of config.tcp.entries()) {
      const certificate = typeof tls === 'object' ? await loadCertificate(tls) : tls && own;
      const { tcp: access, streams: signer } = this.#access;
      const parts = { router: this.#router, access, signer, log };
      const name = `tcp[${index}]`;
      const socket = { name, listen, sockets: this.#sockets, tickets: this.#tickets };
      const port = new TcpPort({ ...socket, hostname, tls: certificate, ...parts });
      this.#tcpPorts.push(port);
      if (tls === 'terminate') this.#certificates.onRenewed((renewed) => port.renew(renewed));
      await this.#opened(name, ['tcp', index, 'listen'], port.open());
    }
    if (ops !== undefined)
      await this.#opened('metrics', ['listen', 'metrics'], this.#listenOps(ops));
  }

  async #listenHttps(address: ListenAddress, { cert, key }: ServerCertificate): Promise<void> {
    const server = createHttpsServer({
      ...HTTP_SERVER_OPTIONS,
      cert,
      key,
      // Without the old name, `curl --http1.0` and its like would be refused by the handshake.
      ALPNProtocols: ['http/1.1', 'http/1.0'],
      handshakeTimeout: TLS_HANDSHAKE_MS,
      ...this.#tickets,
      ...this.#clientCa,
    });
    // What is renewed replaces all of it, the authorities of users' certificates too.
    this.#certificates.onRenewed((renewed) => {
      server.setSecureContext({ ...renewed, ...this.#tickets, ...this.#clientCa });
    });
    this.#http.attach(server);
    this.#httpServers.push(server);
    const opening = this.#sockets.listen('https', address, server);
    await this.#opened('https', ['listen', 'https'], opening);
    const { externalPort } = this.#options.config;
    this.#access.address.setPort(externalPort ?? (await opening).port);
  }

  async #listenHttp(address: ListenAddress): Promise<void> {
    const server = this.#createHttpServer();
    this.#httpServers.push(server);
    await this.#opened('http', ['listen', 'http'], this.#sockets.listen('http', address, server));
  }

  #createHttpServer(): HttpServer {
    const { plaintext, listen } = this.#options.config;
    if (!plaintext) return createRedirectServer({ httpsPort: listen.https?.port ?? 443 });
    const server = createHttpServer(HTTP_SERVER_OPTIONS);
    this.#http.attach(server);
    return server;
  }

  async #listenOps(listen: ListenAddress): Promise<ListenAddress> {
    this.#ops = await startOpsServer({
      listen,
      open: async (server, address) => this.#sockets.listen('metrics', address, server),
      registry: this.#options.metrics.registry,
      ready: () => ({ ready: this.isReady, detail: this.status() }),
    });
    return this.#ops.address;
  }

  /** Keeps the real address of a listener. The error of one that cannot be opened says where its address was written. */
  async #opened(name: string, at: KeyPath, opening: Promise<ListenAddress>): Promise<void> {
    try {
      this.#addresses[name] = formatListenAddress(await opening);
    } catch (error) {
      throw placedError(this.#options.config, at, error);
    }
  }

  #createAccess(): GatewayAccess {
    const { config, store, log, metrics } = this.#options;
    return new GatewayAccess({
      config,
      store,
      log,
      metrics,
      clock: systemClock,
      unreachable: (hostname) => this.#unreachable(hostname),
      onKeys: () => this.#door.announceKeys(),
    });
  }

  #linkIntercept(): HttpIntercept {
    const accepter = new ChannelAccepter({
      hasRoom: () => !this.#isDraining && this.#door.hasRoom,
    });
    return {
      upgrade: (request, socket, head, { path }) => {
        if (path !== LINK_PATH) return false;
        const address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
        accepter.handleUpgrade(request, socket, head, (channel) =>
          this.#door.admit(channel, address),
        );
        return true;
      },
    };
  }

  #unreachable(hostname: string): 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA' | undefined {
    const route = this.#routes.find(hostname);
    if (route === undefined) return 'ROUTE_NOT_FOUND';
    return this.#registry.pick(route.tunnelId) === undefined ? 'ROUTE_NO_REPLICA' : undefined;
  }

  #replicaJoined(replica: ConnectedReplica): void {
    const { tunnel, id, links } = replica;
    const address = links[0]?.address ?? '';
    this.#audit.write(replica, { type: 'connector.join', detail: { address } });
    const count = this.#registry.replicasOf(tunnel.id).filter((one) => one.linkCount > 0).length;
    const fields = { [FIELD.tunnelName]: tunnel.name, [FIELD.replica]: id };
    this.#options.log.info(
      { ...fields, [FIELD.address]: address, [FIELD.count]: count },
      'connector joined',
    );
  }

  #replicaLeft(replica: ConnectedReplica): void {
    this.#audit.write(replica, { type: 'connector.leave' });
    this.#dropIdleConnections(replica);
  }

  /** Kept-alive connections are streams too: one that drains waits for them, and one with new rules has no use for them. */
  #dropIdleConnections(replica: ConnectedReplica): void {
    for (const key of this.#destinations.poolKeysOf(replica)) this.#http.dropPool(key);
  }
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());
}

function describeReplica(replica: ConnectedReplica): ReplicaStatus {
  const { id, info, software, streamCount, detachedCount, links, rules } = replica;
  return {
    id,
    ...info,
    software,
    streams: streamCount,
    detached: detachedCount,
    links: links.map(({ link, index, since, address }) => ({
      index,
      since,
      address,
      ...(link.measuredRoundTripMs !== undefined && { roundTripMs: link.measuredRoundTripMs }),
      streams: link.streamCount,
    })),
    hostnames: rules.map(({ hostname }) => hostname.text),
  };
}
