/**
 * A gateway worker: its listeners, links and streams, from start to drain. design.md §4.
 *
 * Composes the parts and owns their order: what users reach is opened last and closed first. It decides nothing itself.
 */
import { ticketKey } from '../access/sign-in/ticket-key.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { POLICY_KEYS } from '../config/gateway-keys.ts';
import { systemClock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import { VERSION } from '../core/version.ts';
import { CLOSE_CODE } from '../protocol/close-code.ts';
import type { Store, Tunnel } from '../store/store.ts';
import type { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { RefusalLog, type Refusal } from '../telemetry/refusal-log.ts';
import type { SpanOutcome } from '../telemetry/tracing/span-exporter.ts';
import { traceFieldsOf, Tracer } from '../telemetry/tracing/tracer.ts';
import { ChannelAccepter } from '../transport/accept-channel.ts';
import { BoundSockets, type ListeningSockets } from '../transport/listen-on.ts';
import { LINK_PATH } from '../transport/ws-frame-channel.ts';
import { GatewayAccess } from './access/gateway-access.ts';
import type { ConnectedReplica } from './links/connected-replica.ts';
import { Arrivals } from './routing/arrivals.ts';
import { ConnectorAudit } from './links/connector-audit.ts';
import { describeReplica } from './links/describe-replica.ts';
import { describeTunnels } from './links/describe-tunnels.ts';
import { Drain } from './drain.ts';
import { FrontDoor } from './front/front-door.ts';
import { TrustedProxies } from './front/trusted-proxies.ts';
import type { GatewayStatus, LiveWork, ReplicaStatus, TunnelStatus } from './gateway-status.ts';
import { HttpDestinations } from './routing/http-destinations.ts';
import { HttpHandler } from './http/http-handler.ts';
import type { HttpIntercept } from './http/http-handler-options.ts';
import { countRequest } from './http/record/count-request.ts';
import { requestSpans } from './http/record/request-spans.ts';
import { CLOSE_RESTART } from './http/websocket/upgrade-registry.ts';
import { LinkDoor } from './links/link-door.ts';
import { Listeners } from './listeners.ts';
import { clientStreamLog } from './relay/client-stream-log.ts';
import type { SignedInClient } from './relay/client-gate.ts';
import { ClientStreams } from './relay/client-streams.ts';
import { RequestTail, type TailListener } from './request-tail.ts';
import { ReplicaEndings } from './links/replica-endings.ts';
import { RouteTable } from './routing/route-table.ts';
import { Stickiness } from './routing/stickiness.ts';
import { StrandedRequests } from './routing/stranded-requests.ts';
import { StreamRouter } from './routing/stream-router.ts';
import { TunnelChanges } from './links/tunnel-changes.ts';
import { TunnelRegistry } from './links/tunnel-registry.ts';

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

/** A configuration whose files were read. */
export interface PreparedConfig {
  /** How many certificates and authorities are others than before. */
  readonly certificates: number;
  /** Puts it in force, at once and whole. */
  apply(): void;
}

export class Gateway {
  /** Names this run of the gateway to connectors. */
  readonly id = newId();
  readonly #options: GatewayOptions;
  readonly #startedAt = systemClock.wall();
  readonly #proxies: TrustedProxies;
  readonly #refusals: RefusalLog;
  readonly #frontDoor: FrontDoor;
  readonly #routes = new RouteTable();
  readonly #arrivals = new Arrivals({ clock: systemClock, routes: this.#routes });
  readonly #stranded = new StrandedRequests({
    clock: systemClock,
    replicasOf: (tunnelId) => this.#registry.replicasOf(tunnelId),
    leave: (replicaId) => this.#http.running.leaveReplica(replicaId),
  });
  readonly #tracer: Tracer;
  readonly #stickiness = new Stickiness();
  readonly #tail = new RequestTail((hostname) => this.#routes.find(hostname)?.tunnelId);
  readonly #audit: ConnectorAudit;
  readonly #registry: TunnelRegistry;
  readonly #access: GatewayAccess;
  readonly #clientStreams: ClientStreams<SignedInClient>;
  readonly #door: LinkDoor;
  readonly #destinations: HttpDestinations;
  readonly #router: StreamRouter;
  readonly #http: HttpHandler;
  readonly #endings: ReplicaEndings;
  readonly #listeners: Listeners;
  /** What is in force. */
  #running: GatewayConfig;
  #isReady = false;
  /** From the first word of a drain on, until it is taken back. */
  #drain: Drain | undefined;
  /** What is left is being cut: there is no way back. */
  #isStopping = false;

  constructor(options: GatewayOptions) {
    const { config, store, log, metrics } = options;
    this.#options = options;
    this.#running = config;
    this.#proxies = new TrustedProxies(config.trustedProxies);
    this.#refusals = new RefusalLog({ clock: systemClock, log });
    this.#frontDoor = this.#createFrontDoor();
    this.#tracer = this.#createTracer();
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
        onLeave: (replica, hasBroken) => this.#replicaLeft(replica, hasBroken),
        onDead: (replica) => this.#replicaDied(replica),
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
      arrivals: this.#arrivals,
      events: this.#access.tcp.withAudit(clientStreamLog({ log, metrics })),
      signer,
    });
    this.#door = new LinkDoor({
      gatewayId: this.id,
      clock: systemClock,
      log,
      metrics,
      refusals: this.#refusals,
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
      onChange: (replica) => {
        this.#dropIdleConnections(replica);
        this.#arrivals.arrived(replica.tunnel.id);
      },
    });
    this.#router = this.#createRouter();
    this.#destinations = this.#createDestinations();
    this.#http = this.#createHttp();
    this.#endings = new ReplicaEndings({
      registry: this.#registry,
      upgrades: this.#http.upgrades,
      clientStreams: this.#clientStreams,
      door: this.#door,
      log,
      onEnded: (replica) => this.#dropIdleConnections(replica),
    });
    this.#listeners = this.#createListeners();
  }

  /** Real addresses of what listens, by name: `https`, `http`, `metrics`, `tcp[0]`. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#listeners.addresses;
  }

  get isReady(): boolean {
    return this.#isReady && this.#drain === undefined;
  }

  /** Opens everything. Throws CONFIG_* and leaves nothing open. */
  async start(): Promise<void> {
    try {
      // First, or what changes while the routes are read would be missed.
      await this.#access.start();
      await this.loadRoutes();
      this.#stickiness.useKey(await ticketKey(this.#options.store.keys, systemClock));
      this.#arrivals.open();
      await this.#listeners.open();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#isReady = true;
    const fields = { [FIELD.version]: VERSION, addresses: this.addresses };
    this.#options.log.info(fields, 'gateway ready');
  }

  /** Reads the routes again, after somebody changed them, and tells the connectors. */
  async loadRoutes(): Promise<void> {
    this.#routes.load(await this.#options.store.routes.list());
    this.#door.announceRoutes();
  }

  /** How long a drain may take, ms. */
  get gracePeriodMs(): number {
    return this.#running.gracePeriodMs;
  }

  /**
   * Reads what another configuration names, which differs from what runs only in keys that are live (gateway-keys.ts). What comes
   * back puts it in force, for what is open too where it is about who may do what. Throws CONFIG_*, and nothing has changed.
   */
  async prepare(config: GatewayConfig): Promise<PreparedConfig> {
    const [listeners, countries] = await Promise.all([
      this.#listeners.prepare(config),
      this.#access.prepareCountries(config.countryDatabase),
    ]);
    return {
      certificates: listeners.certificates,
      apply: () => {
        const before = this.#running;
        this.#running = config;
        this.#options.log.level = config.log.level;
        this.#proxies.set(config.trustedProxies);
        listeners.apply();
        this.#http.setLimits(config.http);
        this.#tracer.configure(config.tracing);
        countries();
        const isOther = (key: keyof GatewayConfig): boolean => config[key] !== before[key];
        if ([...POLICY_KEYS].some(isOther)) this.#access.setConfig(config);
        this.#options.metrics.applications.keep(config.applications.map(({ name }) => name));
      },
    };
  }

  /** Ends every link and stream of a tunnel whose token was rotated, or which was deleted. */
  revokeTunnel(tunnel: Pick<Tunnel, 'id' | 'name'>, reason: 'rotated' | 'deleted'): void {
    this.#endings.revoke(tunnel, reason);
    this.#arrivals.gone(tunnel.id);
    if (reason !== 'deleted') return;
    this.#options.metrics.removeTunnel(tunnel.name);
    this.#audit.forget(tunnel.id);
  }

  /** The tunnels that have connectors here. */
  tunnels(): TunnelStatus[] {
    return describeTunnels(this.#registry.replicas());
  }

  /** Tells of each request of a tunnel when it has ended; the result ends that. Throws ADMIN_BUSY. */
  tail(tunnelId: string, listener: TailListener): () => void {
    return this.#tail.watch(tunnelId, listener);
  }

  /** The replicas of a tunnel that are connected here. */
  replicas(tunnelId: string): ReplicaStatus[] {
    return this.#registry.replicasOf(tunnelId).map(describeReplica);
  }

  status(): GatewayStatus {
    const { requests, upgrades } = this.#http.stats;
    const clientStreams = this.#clientStreams.attachedCount;
    const { tcpConnections, tcpSince } = this.#listeners;
    const unhealthyRules = this.#registry.unhealthyCount;
    return {
      id: this.id,
      version: VERSION,
      startedAt: this.#startedAt,
      isDraining: this.#drain !== undefined,
      links: this.#door.linkCount,
      httpRequests: requests,
      webSockets: upgrades,
      tcpConnections,
      clients: this.#door.clientCount,
      clientStreams,
      ...(unhealthyRules > 0 && { unhealthyRules }),
      addresses: this.addresses,
      live: {
        httpRequests: liveWork(requests, this.#http.busySince),
        webSockets: liveWork(upgrades, this.#http.upgrades.oldestSince),
        tcpConnections: liveWork(tcpConnections, tcpSince),
        clientStreams: liveWork(clientStreams, this.#clientStreams.oldestSince),
        links: liveWork(this.#door.linkCount, this.#door.oldestSince),
      },
      config: this.#options.metrics.config.status,
      ...(this.#drain !== undefined && { waitsFor: this.#drain.waitsFor }),
    };
  }

  /**
   * Takes nothing new, lets what is under way end or move, then stops. Returns how many requests, WebSockets and TCP
   * connections were cut when `graceMs` was over; undefined when resume() took it back. `isHandOver`: another process takes
   * what comes from now on.
   */
  async drain(
    graceMs: number,
    { isHandOver = false }: { readonly isHandOver?: boolean } = {},
  ): Promise<number | undefined> {
    const stopped = this.#listeners.stopAccepting(isHandOver);
    // A connector that is replaced now comes to the next process only. Its clients are about to go there, with all they wait for.
    if (isHandOver) this.#arrivals.open();
    void this.#http.drain();
    const drain = new Drain({
      clock: systemClock,
      graceMs,
      isHandOver,
      http: this.#http,
      door: this.#door,
      newcomers: () => this.#listeners.newcomers,
      tcpConnections: () => this.#listeners.tcpConnections,
      awaiting: () => this.#arrivals.count,
      clientStreams: () => this.#clientStreams.attachedCount,
    });
    this.#drain = drain;
    await stopped;
    if ((await drain.ended) === 'cancelled') return undefined;
    this.#isStopping = true;
    const { httpRequests, webSockets, tcpConnections } = this.status();
    const error = new PosternError('STREAM_REFUSED', 'Cannot go on: the gateway stops');
    this.#http.upgrades.close(CLOSE_RESTART, error);
    await Promise.race([this.#http.upgrades.gone(), wait(CLOSE_WEBSOCKETS_MS)]);
    await this.stop();
    return httpRequests + webSockets + tcpConnections;
  }

  /**
   * Takes a drain back: accepts connections again and goes on as if there had been none. Peers that were asked to leave are
   * taken back when they come. False where there is no drain, or it has ended. Throws CONFIG_PORT_IN_USE, and the drain goes on.
   */
  async resume(): Promise<boolean> {
    const drain = this.#drain;
    if (drain === undefined || this.#isStopping) return false;
    await this.#listeners.acceptAgain();
    if (this.#hasStopped) {
      await this.#listeners.stopAccepting(true);
      return false;
    }
    drain.cancel();
    this.#drain = undefined;
    // Who was asked to leave comes back when the other process drains.
    this.#arrivals.open();
    this.#http.resume();
    this.#door.resume();
    this.#options.log.info('the drain was taken back');
    return true;
  }

  /** Stops at once. Safe to call twice, and after a start that failed half-way. */
  async stop(): Promise<void> {
    this.#isReady = false;
    this.#isStopping = true;
    const gone = Promise.all([this.#http.drain(), this.#listeners.idle()]);
    this.#listeners.close();
    this.#http.close();
    this.#arrivals.close();
    this.#stranded.close();
    // What is cut resets its stream once its socket has closed, and connectors must hear of it: they would keep their
    // connection to the origin until the resume timeout.
    await Promise.race([gone, wait(CUT_MS)]);
    await new Promise((resolve) => setImmediate(resolve));
    this.#door.close(CLOSE_CODE.goingAway, new PosternError('LINK_CLOSED', 'the gateway stops'));
    this.#refusals.close();
    await this.#listeners.closeOps();
    await Promise.all([this.#access.stop(), this.#tracer.close()]);
  }

  /** Asked again where it may have changed meanwhile. */
  get #hasStopped(): boolean {
    return this.#isStopping;
  }

  #createTracer(): Tracer {
    const { config, log, metrics } = this.#options;
    const resource = {
      'service.name': 'postern-gateway',
      'service.version': VERSION,
      'service.instance.id': this.id,
    };
    const onOutcome = (outcome: SpanOutcome, count: number): void =>
      metrics.spansEnded(outcome, count);
    return new Tracer({ resource, clock: systemClock, log, onOutcome }, config.tracing);
  }

  #createRouter(): StreamRouter {
    return new StreamRouter({
      routes: this.#routes,
      registry: this.#registry,
      stickiness: this.#stickiness,
    });
  }

  #createDestinations(): HttpDestinations {
    return new HttpDestinations({
      router: this.#router,
      signer: this.#access.streams,
      arrivals: this.#arrivals,
      stickiness: this.#stickiness,
    });
  }

  #createFrontDoor(): FrontDoor {
    return new FrontDoor({
      clock: systemClock,
      limits: () => this.#running.http,
      proxies: this.#proxies,
      onRefused: (refusal) => this.#onRefused(refusal),
    });
  }

  #createListeners(): Listeners {
    const { config, log, metrics, sockets, ticketKeys } = this.#options;
    const { tcp: access, streams: signer } = this.#access;
    return new Listeners({
      config,
      sockets: sockets ?? new BoundSockets(),
      ticketKeys,
      log,
      metrics,
      http: this.#http,
      proxies: this.#proxies,
      door: this.#frontDoor,
      onRefused: (refusal) => this.#onRefused(refusal),
      tcp: { router: this.#router, arrivals: this.#arrivals, access, signer },
      ready: () => ({ ready: this.isReady, detail: this.status() }),
      onHttps: (port) => this.#access.address.setPort(config.externalPort ?? port),
    });
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
      changes: new TunnelChanges({
        store,
        log,
        connected: () => this.#registry.replicas().map(({ tunnel }) => tunnel),
        loadRoutes: async () => this.loadRoutes(),
        onDeleted: (tunnel) => this.revokeTunnel(tunnel, 'deleted'),
        onRotated: (tunnel) => this.#endings.expire(tunnel),
      }),
    });
  }

  #createHttp(): HttpHandler {
    const { config, log, metrics } = this.#options;
    return new HttpHandler({
      limits: config.http,
      router: this.#destinations,
      log,
      proxies: this.#proxies,
      door: this.#frontDoor,
      refusals: this.#refusals,
      intercept: this.#linkIntercept(),
      gate: this.#access.http,
      onRequestMoved: (tunnelName, error) => metrics.tunnel(tunnelName).requestMoved(error),
      // Node makes the object of fields when it is asked for one, and that takes a while.
      trace: (request) =>
        this.#tracer.isOn ? this.#tracer.begin(traceFieldsOf(request.headers)) : undefined,
      onRequestEnd: (summary) => {
        countRequest(metrics, summary);
        this.#tail.tell(summary);
        if (summary.trace?.spanId !== undefined) this.#tracer.add(...requestSpans(summary));
      },
    });
  }

  #linkIntercept(): HttpIntercept {
    const accepter = new ChannelAccepter({
      hasRoom: () => this.#drain === undefined && this.#door.hasRoom,
    });
    return {
      upgrade: (request, socket, head, { path }) => {
        if (path !== LINK_PATH) return false;
        const { client } = this.#proxies.provenanceOf(request);
        const address = `${client.address}:${client.port}`;
        accepter.handleUpgrade(request, socket, head, (channel) =>
          this.#door.admit(channel, address),
        );
        return true;
      },
    };
  }

  #onRefused(refusal: Refusal): void {
    this.#options.metrics.connectionRefused(refusal.error);
    this.#refusals.add(refusal);
  }

  #unreachable(hostname: string): 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA' | undefined {
    const route = this.#routes.find(hostname);
    if (route === undefined) return 'ROUTE_NOT_FOUND';
    if (this.#arrivals.expects(route.tunnelId)) return undefined;
    return this.#registry.pick(route.tunnelId) === undefined ? 'ROUTE_NO_REPLICA' : undefined;
  }

  #replicaJoined(replica: ConnectedReplica): void {
    const { tunnel, id, links } = replica;
    this.#arrivals.joined(tunnel.id);
    this.#stranded.joined(replica);
    this.#clientStreams.onJoin(replica);
    const address = links[0]?.address ?? '';
    this.#audit.write(replica, { type: 'connector.join', detail: { address } });
    const count = this.#registry.replicasOf(tunnel.id).filter((one) => one.linkCount > 0).length;
    const fields = { [FIELD.tunnelName]: tunnel.name, [FIELD.replica]: id };
    this.#options.log.info(
      { ...fields, [FIELD.address]: address, [FIELD.count]: count },
      'connector joined',
    );
  }

  #replicaDied(replica: ConnectedReplica): void {
    // The one that says so is about to join: what may be made twice need not fail for want of it.
    this.#arrivals.brokeOff(replica.tunnel.id);
    this.#endings.died(replica);
  }

  #replicaLeft(replica: ConnectedReplica, hasBroken: boolean): void {
    this.#audit.write(replica, { type: 'connector.leave' });
    this.#dropIdleConnections(replica);
    if (hasBroken && !this.#isStopping) this.#arrivals.brokeOff(replica.tunnel.id);
    this.#stranded.left(replica);
  }

  /** Kept-alive connections are streams too: one that drains waits for them, and one with new rules has no use for them. */
  #dropIdleConnections(replica: ConnectedReplica): void {
    for (const key of this.#destinations.poolKeysOf(replica)) this.#http.dropPool(key);
  }
}

function liveWork(count: number, since: number | undefined): LiveWork {
  if (count === 0 || since === undefined) return { count };
  return { count, oldestMs: Math.round(systemClock.now() - since) };
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());
}
