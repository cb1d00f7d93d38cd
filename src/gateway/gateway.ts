/**
 * A gateway worker, from its start to its drain. design.md §4.
 *
 * Owns the order: what users reach is opened last and closed first. What it is made of is in `gateway-parts.ts`, and it
 * decides nothing about anybody.
 */
import { ticketKey } from '../access/sign-in/ticket-key.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { POLICY_KEYS } from '../config/gateway-keys.ts';
import { systemClock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { VERSION } from '../core/version.ts';
import { CLOSE_CODE } from '../protocol/close-code.ts';
import type { Tunnel } from '../store/store.ts';
import { FIELD } from '../telemetry/log-field.ts';
import { describeGateway } from './describe-gateway.ts';
import { Drain } from './drain.ts';
import { GatewayParts, type GatewayOptions } from './gateway-parts.ts';
import type { GatewayStatus, ReplicaStatus, TunnelStatus } from './gateway-status.ts';
import { CLOSE_RESTART } from './http/websocket/upgrade-registry.ts';
import { describeReplica } from './links/describe-replica.ts';
import { describeTunnels } from './links/describe-tunnels.ts';
import type { TailListener } from './request-tail.ts';

/** WebSockets that are told to come back are gone within two seconds, ms; one that becomes live just then is not told. */
const CLOSE_WEBSOCKETS_MS = 2_500;
/** Sockets that are cut have closed within a moment, ms. */
const CUT_MS = 250;

/** A configuration whose files were read. */
export interface PreparedConfig {
  /** How many certificates and authorities are others than before. */
  readonly certificates: number;
  /** Puts it in force, at once and whole. */
  apply(): void;
}

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #startedAt = systemClock.wall();
  readonly #parts: GatewayParts;
  /** What is in force. */
  #running: GatewayConfig;
  #isReady = false;
  /** From the first word of a drain on, until it is taken back. */
  #drain: Drain | undefined;
  /** What is left is being cut: there is no way back. */
  #isStopping = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#running = options.config;
    this.#parts = new GatewayParts(options, {
      config: () => this.#running,
      isReady: () => this.isReady,
      isDraining: () => this.#drain !== undefined,
      isStopping: () => this.#isStopping,
      status: () => this.status(),
    });
  }

  /** Names this run of the gateway to connectors. */
  get id(): string {
    return this.#parts.id;
  }

  /** Real addresses of what listens, by name: `https`, `http`, `metrics`, `tcp[0]`. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#parts.listeners.addresses;
  }

  get isReady(): boolean {
    return this.#isReady && this.#drain === undefined;
  }

  /** Opens everything. Throws CONFIG_* and leaves nothing open. */
  async start(): Promise<void> {
    try {
      // First, or what changes while the routes are read would be missed.
      await this.#parts.access.start();
      await this.loadRoutes();
      this.#parts.stickiness.useKey(await ticketKey(this.#options.store.keys, systemClock));
      this.#parts.arrivals.open();
      await this.#parts.listeners.open();
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
    await this.#parts.loadRoutes();
  }

  /** Ends every link and stream of a tunnel whose token was rotated, or which was deleted. */
  revokeTunnel(tunnel: Pick<Tunnel, 'id' | 'name'>, reason: 'rotated' | 'deleted'): void {
    this.#parts.revokeTunnel(tunnel, reason);
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
      this.#parts.listeners.prepare(config),
      this.#parts.access.prepareCountries(config.countryDatabase),
    ]);
    return {
      certificates: listeners.certificates,
      apply: () => {
        const before = this.#running;
        this.#running = config;
        this.#options.log.level = config.log.level;
        this.#parts.proxies.set(config.trustedProxies);
        listeners.apply();
        this.#parts.http.setLimits(config.http);
        this.#parts.tracer.configure(config.tracing);
        countries();
        const isOther = (key: keyof GatewayConfig): boolean => config[key] !== before[key];
        if ([...POLICY_KEYS].some(isOther)) this.#parts.access.setConfig(config);
        this.#options.metrics.applications.keep(config.applications.map(({ name }) => name));
      },
    };
  }

  /** The tunnels that have connectors here. */
  tunnels(): TunnelStatus[] {
    return describeTunnels(this.#parts.registry.replicas());
  }

  /** Tells of each request of a tunnel when it has ended; the result ends that. Throws ADMIN_BUSY. */
  tail(tunnelId: string, listener: TailListener): () => void {
    return this.#parts.tail.watch(tunnelId, listener);
  }

  /** The replicas of a tunnel that are connected here. */
  replicas(tunnelId: string): ReplicaStatus[] {
    return this.#parts.registry.replicasOf(tunnelId).map(describeReplica);
  }

  status(): GatewayStatus {
    return describeGateway(this.#parts, {
      startedAt: this.#startedAt,
      config: this.#options.metrics.config.status,
      drain: this.#drain,
    });
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
    const { arrivals, clientStreams, door, http, listeners } = this.#parts;
    const stopped = listeners.stopAccepting(isHandOver);
    // A connector that is replaced now comes to the next process only. Its clients are about to go there, with all they wait for.
    if (isHandOver) arrivals.open();
    void http.drain();
    const drain = new Drain({
      clock: systemClock,
      graceMs,
      isHandOver,
      http,
      door,
      newcomers: () => listeners.newcomers,
      tcpConnections: () => listeners.tcpConnections,
      awaiting: () => arrivals.count,
      clientStreams: () => clientStreams.attachedCount,
    });
    this.#drain = drain;
    await stopped;
    if ((await drain.ended) === 'cancelled') return undefined;
    this.#isStopping = true;
    const { httpRequests, webSockets, tcpConnections } = this.status();
    const error = new PosternError('STREAM_REFUSED', 'Cannot go on: the gateway stops');
    http.upgrades.close(CLOSE_RESTART, error);
    await Promise.race([http.upgrades.gone(), wait(CLOSE_WEBSOCKETS_MS)]);
    await this.stop();
    return httpRequests + webSockets + tcpConnections;
  }

  /**
   * Takes a drain back: accepts connections again and goes on as if there had been none. Peers that were asked to leave are
   * taken back when they come. False where there is no drain, or it has ended. Throws CONFIG_PORT_IN_USE, and the drain goes on.
   */
  async resume(): Promise<boolean> {
    const { arrivals, door, http, listeners } = this.#parts;
    const drain = this.#drain;
    if (drain === undefined || this.#isStopping) return false;
    await listeners.acceptAgain();
    if (this.#hasStopped) {
      await listeners.stopAccepting(true);
      return false;
    }
    drain.cancel();
    this.#drain = undefined;
    // Who was asked to leave comes back when the other process drains.
    arrivals.open();
    http.resume();
    door.resume();
    this.#options.log.info('the drain was taken back');
    return true;
  }

  /** Stops at once. Safe to call twice, and after a start that failed half-way. */
  async stop(): Promise<void> {
    const { access, arrivals, door, http, listeners, refusals, stranded, tracer } = this.#parts;
    this.#isReady = false;
    this.#isStopping = true;
    const gone = Promise.all([http.drain(), listeners.idle()]);
    listeners.close();
    http.close();
    arrivals.close();
    stranded.close();
    // What is cut resets its stream once its socket has closed, and connectors must hear of it: they would keep their
    // connection to the origin until the resume timeout.
    await Promise.race([gone, wait(CUT_MS)]);
    await new Promise((resolve) => setImmediate(resolve));
    door.close(CLOSE_CODE.goingAway, new PosternError('LINK_CLOSED', 'the gateway stops'));
    refusals.close();
    await listeners.closeOps();
    await Promise.all([access.stop(), tracer.close()]);
  }

  /** Asked again where it may have changed meanwhile. */
  get #hasStopped(): boolean {
    return this.#isStopping;
  }
}

async function wait(ms: number): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());
}
