/**
 * What a gateway worker is made of, and who is told what by whom. design.md §4.
 *
 * Joins the parts and does nothing with them: `gateway.ts` starts, drains and stops them.
 */
import type { GatewayConfig } from '../config/gateway-config.ts';
import { systemClock } from '../core/clock.ts';
import { newId } from '../core/id.ts';
import { VERSION } from '../core/version.ts';
import type { Store, Tunnel } from '../store/store.ts';
import type { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { RefusalLog, type Refusal } from '../telemetry/refusal-log.ts';
import type { SpanOutcome } from '../telemetry/tracing/span-exporter.ts';
import { traceFieldsOf, Tracer } from '../telemetry/tracing/tracer.ts';
import { BoundSockets, type ListeningSockets } from '../transport/listen-on.ts';
import { GatewayAccess } from './access/gateway-access.ts';
import { FrontDoor } from './front/front-door.ts';
import { TrustedProxies } from './front/trusted-proxies.ts';
import type { GatewayStatus } from './gateway-status.ts';
import { HttpHandler } from './http/http-handler.ts';
import { countRequest } from './http/record/count-request.ts';
import { requestSpans } from './http/record/request-spans.ts';
import type { ConnectedReplica } from './links/connected-replica.ts';
import { ConnectorAudit } from './links/connector-audit.ts';
import { LinkDoor } from './links/link-door.ts';
import { linkIntercept } from './links/link-intercept.ts';
import { ReplicaEndings } from './links/replica-endings.ts';
import { TunnelChanges } from './links/tunnel-changes.ts';
import { TunnelRegistry } from './links/tunnel-registry.ts';
import { Listeners } from './listeners.ts';
import type { SignedInClient } from './relay/client-gate.ts';
import { clientStreamLog } from './relay/client-stream-log.ts';
import { ClientStreams } from './relay/client-streams.ts';
import { RequestTail } from './request-tail.ts';
import { Arrivals } from './routing/arrivals.ts';
import { HttpDestinations } from './routing/http-destinations.ts';
import { RouteTable } from './routing/route-table.ts';
import { Stickiness } from './routing/stickiness.ts';
import { StrandedRequests } from './routing/stranded-requests.ts';
import { StreamRouter } from './routing/stream-router.ts';

/** What a worker is made from. */
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

/** What the parts ask about the worker that they are of. */
export interface GatewayLife {
  /** What is in force. */
  config(): GatewayConfig;
  /** Whether it takes what comes. */
  isReady(): boolean;
  isDraining(): boolean;
  /** What is left is being cut: there is no way back. */
  isStopping(): boolean;
  status(): GatewayStatus;
}

export class GatewayParts {
  /** Names this run of the gateway to connectors. */
  readonly id = newId();
  readonly #options: GatewayOptions;
  readonly #life: GatewayLife;
  readonly proxies: TrustedProxies;
  readonly refusals: RefusalLog;
  readonly frontDoor: FrontDoor;
  readonly routes = new RouteTable();
  readonly arrivals = new Arrivals({ clock: systemClock, routes: this.routes });
  readonly stranded = new StrandedRequests({
    clock: systemClock,
    replicasOf: (tunnelId) => this.registry.replicasOf(tunnelId),
    leave: (replicaId) => this.http.running.leaveReplica(replicaId),
  });
  readonly tracer: Tracer;
  readonly stickiness = new Stickiness();
  readonly tail = new RequestTail((hostname) => this.routes.find(hostname)?.tunnelId);
  readonly audit: ConnectorAudit;
  readonly registry: TunnelRegistry;
  readonly access: GatewayAccess;
  readonly clientStreams: ClientStreams<SignedInClient>;
  readonly door: LinkDoor;
  readonly destinations: HttpDestinations;
  readonly router: StreamRouter;
  readonly http: HttpHandler;
  readonly endings: ReplicaEndings;
  readonly listeners: Listeners;

  constructor(options: GatewayOptions, life: GatewayLife) {
    const { config, store, log, metrics } = options;
    this.#options = options;
    this.#life = life;
    this.proxies = new TrustedProxies(config.trustedProxies);
    this.refusals = new RefusalLog({ clock: systemClock, log });
    this.frontDoor = this.#createFrontDoor();
    this.tracer = this.#createTracer();
    this.audit = new ConnectorAudit({
      clock: systemClock,
      log,
      append: async (event) => store.audit.append(event),
    });
    this.registry = new TunnelRegistry({
      clock: systemClock,
      metrics,
      resumeTimeoutMs: config.resumeTimeoutMs,
      events: {
        onJoin: (replica) => this.#replicaJoined(replica),
        onLeave: (replica, hasBroken) => this.#replicaLeft(replica, hasBroken),
        onDead: (replica) => this.#replicaDied(replica),
      },
    });
    this.access = this.#createAccess();
    const gate = this.access.clients;
    const signer = this.access.streams;
    this.clientStreams = new ClientStreams({
      clock: systemClock,
      gate,
      routes: this.routes,
      registry: this.registry,
      arrivals: this.arrivals,
      events: this.access.tcp.withAudit(clientStreamLog({ log, metrics })),
      signer,
    });
    this.door = new LinkDoor({
      gatewayId: this.id,
      clock: systemClock,
      log,
      metrics,
      refusals: this.refusals,
      registry: this.registry,
      routes: this.routes,
      resumeTimeoutMs: config.resumeTimeoutMs,
      gate,
      clientStreams: this.clientStreams,
      publicKeys: () => this.access.publicKeys,
      verifyToken: async (token) => store.tunnels.verifyToken(token),
      onRefusedHostname: (replica, hostname) => {
        this.audit.write(replica, { type: 'connector.hostname-refused', hostname });
      },
      onChange: (replica) => {
        this.#dropIdleConnections(replica);
        this.arrivals.arrived(replica.tunnel.id);
      },
    });
    const { routes, registry, stickiness } = this;
    this.router = new StreamRouter({ routes, registry, stickiness });
    this.destinations = this.#createDestinations();
    this.http = this.#createHttp();
    this.endings = new ReplicaEndings({
      registry: this.registry,
      upgrades: this.http.upgrades,
      clientStreams: this.clientStreams,
      door: this.door,
      log,
      onEnded: (replica) => this.#dropIdleConnections(replica),
    });
    this.listeners = this.#createListeners();
  }

  /** Reads the routes again, after somebody changed them, and tells the connectors. */
  async loadRoutes(): Promise<void> {
    this.routes.load(await this.#options.store.routes.list());
    this.door.announceRoutes();
  }

  /** Ends every link and stream of a tunnel whose token was rotated, or which was deleted. */
  revokeTunnel(tunnel: Pick<Tunnel, 'id' | 'name'>, reason: 'rotated' | 'deleted'): void {
    this.endings.revoke(tunnel, reason);
    this.arrivals.gone(tunnel.id);
    if (reason !== 'deleted') return;
    this.#options.metrics.removeTunnel(tunnel.name);
    this.audit.forget(tunnel.id);
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

  #createDestinations(): HttpDestinations {
    return new HttpDestinations({
      router: this.router,
      signer: this.access.streams,
      arrivals: this.arrivals,
      stickiness: this.stickiness,
    });
  }

  #createFrontDoor(): FrontDoor {
    return new FrontDoor({
      clock: systemClock,
      limits: () => this.#life.config().http,
      proxies: this.proxies,
      onRefused: (refusal) => this.#onRefused(refusal),
    });
  }

  #createListeners(): Listeners {
    const { config, log, metrics, sockets, ticketKeys } = this.#options;
    const { tcp: access, streams: signer } = this.access;
    return new Listeners({
      config,
      sockets: sockets ?? new BoundSockets(),
      ticketKeys,
      log,
      metrics,
      http: this.http,
      proxies: this.proxies,
      door: this.frontDoor,
      onRefused: (refusal) => this.#onRefused(refusal),
      tcp: { router: this.router, arrivals: this.arrivals, access, signer },
      ready: () => ({ ready: this.#life.isReady(), detail: this.#life.status() }),
      onHttps: (port) => this.access.address.setPort(config.externalPort ?? port),
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
      onKeys: () => this.door.announceKeys(),
      changes: new TunnelChanges({
        store,
        log,
        connected: () => this.registry.replicas().map(({ tunnel }) => tunnel),
        loadRoutes: async () => this.loadRoutes(),
        onDeleted: (tunnel) => this.revokeTunnel(tunnel, 'deleted'),
        onRotated: (tunnel) => this.endings.expire(tunnel),
      }),
    });
  }

  #createHttp(): HttpHandler {
    const { config, log, metrics } = this.#options;
    return new HttpHandler({
      limits: config.http,
      router: this.destinations,
      log,
      proxies: this.proxies,
      door: this.frontDoor,
      refusals: this.refusals,
      intercept: linkIntercept({
        door: this.door,
        proxies: this.proxies,
        isDraining: () => this.#life.isDraining(),
      }),
      gate: this.access.http,
      onRequestMoved: (tunnelName, error) => metrics.tunnel(tunnelName).requestMoved(error),
      // Node makes the object of fields when it is asked for one, and that takes a while.
      trace: (request) =>
        this.tracer.isOn ? this.tracer.begin(traceFieldsOf(request.headers)) : undefined,
      onRequestEnd: (summary) => {
        countRequest(metrics, summary);
        this.tail.tell(summary);
        if (summary.trace?.spanId !== undefined) this.tracer.add(...requestSpans(summary));
      },
    });
  }

  #onRefused(refusal: Refusal): void {
    this.#options.metrics.connectionRefused(refusal.error);
    this.refusals.add(refusal);
  }

  #unreachable(hostname: string): 'ROUTE_NOT_FOUND' | 'ROUTE_NO_REPLICA' | undefined {
    const route = this.routes.find(hostname);
    if (route === undefined) return 'ROUTE_NOT_FOUND';
    if (this.arrivals.expects(route.tunnelId)) return undefined;
    return this.registry.pick(route.tunnelId) === undefined ? 'ROUTE_NO_REPLICA' : undefined;
  }

  #replicaJoined(replica: ConnectedReplica): void {
    const { tunnel, id, links } = replica;
    this.arrivals.joined(tunnel.id);
    this.stranded.joined(replica);
    this.clientStreams.onJoin(replica);
    const address = links[0]?.address ?? '';
    this.audit.write(replica, { type: 'connector.join', detail: { address } });
    const count = this.registry.replicasOf(tunnel.id).filter((one) => one.linkCount > 0).length;
    const fields = { [FIELD.tunnelName]: tunnel.name, [FIELD.replica]: id };
    this.#options.log.info(
      { ...fields, [FIELD.address]: address, [FIELD.count]: count },
      'connector joined',
    );
  }

  #replicaDied(replica: ConnectedReplica): void {
    // The one that says so is about to join: what may be made twice need not fail for want of it.
    this.arrivals.brokeOff(replica.tunnel.id);
    this.endings.died(replica);
  }

  #replicaLeft(replica: ConnectedReplica, hasBroken: boolean): void {
    this.audit.write(replica, { type: 'connector.leave' });
    this.#dropIdleConnections(replica);
    if (hasBroken && !this.#life.isStopping()) this.arrivals.brokeOff(replica.tunnel.id);
    this.stranded.left(replica);
  }

  /** Kept-alive connections are streams too: one that drains waits for them, and one with new rules has no use for them. */
  #dropIdleConnections(replica: ConnectedReplica): void {
    for (const key of this.destinations.poolKeysOf(replica)) this.http.dropPool(key);
  }
}
