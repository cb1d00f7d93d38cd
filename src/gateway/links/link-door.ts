/**
 * Lets links in: takes a fresh channel, checks who it is, and hands it to the registry. See docs/protocol.md §4.
 *
 * Until the token is proved a link is a stranger: few are let in at a time, for a short time, and only control messages are
 * read. A revoked tunnel loses its links here.
 */
import type { Clock } from '../../core/clock.ts';
import { codeOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { VERSION } from '../../core/version.ts';
import {
  FEATURE,
  type ControlMessage,
  type HelloMessage,
} from '../../protocol/message/control-message.ts';
import type { GatewayKey } from '../../protocol/message/gateway-key.ts';
import type { RegisterMessage } from '../../protocol/message/register-message.ts';
import type { FrameChannel } from '../../protocol/frame-channel.ts';
import { CLOSE_CODE } from '../../protocol/close-code.ts';
import { Link } from '../../protocol/link.ts';
import { NOBODY } from '../../protocol/slot.ts';
import type { Tunnel } from '../../store/store.ts';
import type { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RefusalLog } from '../../telemetry/refusal-log.ts';
import type { ConnectedReplica } from './connected-replica.ts';
import { ConnectorLink } from './connector-link.ts';
import { sayRefused, type LinkRole, type RoleHost } from './link-role.ts';
import { ClientLink } from '../relay/client-link.ts';
import type { ClientStreams } from '../relay/client-streams.ts';
import type { ClientPrincipal, StreamGate } from '../relay/stream-gate.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { TunnelRegistry } from './tunnel-registry.ts';

export interface LinkDoorOptions {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  /** Where those are told who are refused. */
  readonly refusals: Pick<RefusalLog, 'add'>;
  readonly registry: TunnelRegistry;
  readonly routes: RouteTable;
  /** How long our ends of detached streams are kept, which connectors are told, ms. */
  readonly resumeTimeoutMs: number;
  /** Who clients are, and what they may reach. */
  readonly gate: StreamGate<ClientPrincipal>;
  readonly clientStreams: ClientStreams<ClientPrincipal>;
  /** What connectors check our word for a stream with. */
  publicKeys(): readonly GatewayKey[];
  /** The tunnel a token is for. */
  verifyToken(token: string): Promise<Tunnel | undefined>;
  /** A connector announced a hostname that another tunnel has. */
  onRefusedHostname(replica: ConnectedReplica, hostname: string): void;
  /** A connector takes no new streams on one of its links, or none by the rules it had. */
  onChange(replica: ConnectedReplica): void;
}

export class LinkDoor {
  readonly #options: LinkDoorOptions;
  readonly #visitors = new Set<Visitor>();
  /** Those of them that nobody knows yet, and those that are clients: counted for every link that comes. */
  readonly #strangers = new Set<Visitor>();
  readonly #clients = new Set<Visitor>();
  #revocations = 0;

  constructor(options: LinkDoorOptions) {
    this.#options = options;
  }

  /** Whether one more link may come in that nobody knows yet. */
  get hasRoom(): boolean {
    return this.#strangers.size < LIMITS.unregisteredLinks;
  }

  get linkCount(): number {
    return this.#visitors.size;
  }

  /** Links of clients that were let in. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Takes over a channel whose upgrade just finished. */
  admit(channel: FrameChannel, address: string): void {
    const visitor = new Visitor(this.#options, channel, address, {
      onGone: () => {
        for (const list of [this.#visitors, this.#strangers, this.#clients]) list.delete(visitor);
      },
      onAdmitted: (kind) => {
        this.#strangers.delete(visitor);
        if (kind === 'client') this.#clients.add(visitor);
      },
      revocations: () => this.#revocations,
      hasClientRoom: () => this.clientCount < LIMITS.clientLinks,
    });
    this.#visitors.add(visitor);
    this.#strangers.add(visitor);
  }

  /** Tells every replica which of its hostnames are routed, after the routes changed. */
  announceRoutes(): void {
    for (const visitor of this.#visitors) visitor.announceRoutes();
  }

  /** Tells every connector the public keys, after they changed. */
  announceKeys(): void {
    for (const visitor of this.#visitors) visitor.announceKeys();
  }

  /**
   * Asks connectors to dial again elsewhere, those that were not asked before: one link of each replica, so that every
   * tunnel is served there soon, or all. Returns within how long they do, ms. Streams may still be opened on their links.
   */
  drainConnectors(which: 'first' | 'all', graceMs: number): number {
    const connectors = this.#admitted('connector');
    const known = new Set<string | undefined>();
    const asked = connectors.filter(({ isLeaving, replicaId }) => {
      const isFirst = which === 'all' || !known.has(replicaId);
      known.add(replicaId);
      return isFirst && !isLeaving;
    });
    return leave(asked, graceMs);
  }

  /** The same for all clients. */
  drainClients(graceMs: number): number {
    return leave(
      this.#admitted('client').filter(({ isLeaving }) => !isLeaving),
      graceMs,
    );
  }

  /** Closes links that were asked to leave and carry nothing. */
  closeDrained(kind: 'connector' | 'client'): void {
    const error = new PosternError('LINK_CLOSED', 'the gateway stops');
    for (const visitor of this.#admitted(kind)) {
      if (visitor.isLeaving && visitor.streamCount === 0)
        visitor.close(CLOSE_CODE.goingAway, error);
    }
  }

  /** Nobody is asked to leave any more; those who were may be asked again. */
  resume(): void {
    for (const visitor of this.#visitors) visitor.isLeaving = false;
  }

  /** When the oldest link was let in, as the clock counts; undefined without any. */
  get oldestSince(): number | undefined {
    const [oldest] = this.#visitors;
    return oldest?.since;
  }

  #admitted(kind: 'connector' | 'client'): Visitor[] {
    const isKind = (visitor: Visitor): boolean =>
      this.#clients.has(visitor) === (kind === 'client');
    return [...this.#visitors].filter((visitor) => visitor.isAdmitted && isKind(visitor));
  }

  /** Closes the links of these replicas, or all there are. Whoever is being let in is looked at again. */
  close(code: number, error: PosternError, replicaIds?: ReadonlySet<string>): void {
    this.#revocations += 1;
    for (const visitor of this.#visitors) {
      const { replicaId = '' } = visitor;
      if (replicaIds === undefined || replicaIds.has(replicaId)) visitor.close(code, error);
    }
  }
}

/** What a visitor asks of the door. */
interface Door extends RoleHost {
  onGone(): void;
}

/** One link at the door, and behind it. */
class Visitor {
  readonly #door: Door;
  readonly #options: LinkDoorOptions;
  readonly #address: string;
  readonly #link: Link;
  /** As the clock counts. */
  readonly since: number;
  /** Whether it was asked to dial again elsewhere. */
  isLeaving = false;
  #hello: HelloMessage | undefined;
  #role: LinkRole | undefined;

  constructor(options: LinkDoorOptions, channel: FrameChannel, address: string, door: Door) {
    this.#options = options;
    this.#door = door;
    this.#address = address;
    this.since = options.clock.now();
    const timer = options.clock.after(LIMITS.handshakeMs, () => this.#timedOut());
    this.#link = new Link({
      channel,
      isDialler: false,
      clock: options.clock,
      events: {
        onControl: (message) => this.#onControl(message),
        onOpen: (slot, message) => this.#role?.onOpen(slot, message) ?? NOBODY,
        onClose: (error) => {
          timer.cancel();
          door.onGone();
          this.#onClose(error);
        },
      },
    });
    this.#link.sendControl({
      type: 'hello',
      versions: [1],
      features: [FEATURE.destinations],
      software: `postern/${VERSION}`,
      process: options.gatewayId,
    });
  }

  get isAdmitted(): boolean {
    return this.#role?.isAdmitted === true;
  }

  get replicaId(): string | undefined {
    return this.#role?.replicaId;
  }

  get streamCount(): number {
    return this.#link.streamCount;
  }

  announceRoutes(): void {
    this.#role?.announceRoutes();
  }

  announceKeys(): void {
    this.#role?.announceKeys();
  }

  /** Asks it to dial again elsewhere. This side may still open streams: for users whose connections are here. */
  leave(dialAgainMs: number, graceMs: number): void {
    this.isLeaving = true;
    const reason = 'the gateway stops';
    this.#link.sendControl({ type: 'drain', reason, dialAgainMs, graceMs });
  }

  close(code: number, error: PosternError): void {
    if (code === CLOSE_CODE.refused) sayRefused(this.#link, error, true);
    this.#link.close(code, `${error.code}: ${error.message}`);
  }

  #onControl(message: ControlMessage): void {
    switch (message.type) {
      case 'hello':
        this.#onHello(message);
        return;
      case 'register':
        this.#onRegister(message);
        return;
      case 'rules':
        if (!this.isAdmitted) throw unexpected('rules before registered');
        this.#role?.onControl(message);
        return;
      default:
        // What only a gateway says means nothing when somebody else says it.
        this.#role?.onControl(message);
    }
  }

  #onHello(message: HelloMessage): void {
    if (this.#hello !== undefined) throw unexpected('a second hello');
    if (!message.versions.includes(1)) {
      const spoken = message.versions.join(', ');
      throw new PosternError('PROTO_VERSION', `Cannot speak versions ${spoken}: 1 is spoken here`);
    }
    this.#hello = message;
  }

  #onRegister(register: RegisterMessage): void {
    const hello = this.#hello;
    if (hello === undefined) throw unexpected('register before hello');
    if (this.#role !== undefined) throw unexpected('a second register');
    const [door, host] = [this.#options, this.#door];
    const about = { door, host, link: this.#link, address: this.#address };
    this.#role =
      register.role === 'client'
        ? new ClientLink({ ...about, register })
        : new ConnectorLink({ ...about, hello, register });
  }

  #timedOut(): void {
    if (this.isAdmitted) return;
    const error = new PosternError('REGISTER_TIMEOUT', 'Cannot wait for registration any longer');
    this.#options.metrics.registration(error);
    this.#link.close(CLOSE_CODE.timeout, error.code);
  }

  #onClose(error: PosternError | undefined): void {
    const { metrics, log } = this.#options;
    if (error !== undefined && codeOf(error)?.startsWith('PROTO_')) metrics.protoError(error);
    const fields = {
      [FIELD.address]: this.#address,
      ...this.#role?.fields,
      ...(error && { [FIELD.err]: error }),
    };
    if (this.isAdmitted) log.info(fields, 'link closed');
    else log.debug(fields, 'a link closed that had not registered');
    this.#role?.onClose(error);
  }
}

/** Asks them to leave, at a pace that whoever takes them can shake hands at. Returns within how long, ms. */
function leave(visitors: readonly Visitor[], graceMs: number): number {
  const dialAgainMs = Math.ceil((visitors.length / LIMITS.handshakesPerSecond) * 1_000);
  for (const visitor of visitors) visitor.leave(dialAgainMs, Math.round(graceMs));
  return dialAgainMs;
}

function unexpected(what: string): PosternError {
  return new PosternError('PROTO_UNEXPECTED', `Cannot take ${what}`);
}
