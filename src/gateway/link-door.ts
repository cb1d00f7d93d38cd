/**
 * Lets links in: takes a fresh channel, checks who it is, and hands it to the registry. See docs/protocol.md §4.
 *
 * Until the token is proved a link is a stranger: few are let in at a time, for a short time, and only control messages are
 * read. A revoked tunnel loses its links here.
 */
import type { Clock } from '../core/clock.ts';
import { codeOf, messageOf, PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { VERSION } from '../core/version.ts';
import type {
  ControlMessage,
  HelloMessage,
  HostnameState,
  RegisterMessage,
} from '../protocol/control-message.ts';
import type { FrameChannel } from '../protocol/frame-channel.ts';
import { CLOSE_CODE, Link } from '../protocol/link.ts';
import type { Tunnel } from '../store/store.ts';
import type { GatewayMetrics } from '../telemetry/gateway-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import type { ConnectedReplica, ReplicaRule } from './connected-replica.ts';
import type { RouteTable } from './route-table.ts';
import type { TunnelRegistry } from './tunnel-registry.ts';

export interface LinkDoorOptions {
  readonly gatewayId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly registry: TunnelRegistry;
  readonly routes: RouteTable;
  /** How long our ends of detached streams are kept, which connectors are told, ms. */
  readonly resumeTimeoutMs: number;
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
  #revocations = 0;

  constructor(options: LinkDoorOptions) {
    this.#options = options;
  }

  /** Whether one more link may come in that nobody knows yet. */
  get hasRoom(): boolean {
    return this.#strangers < LIMITS.unregisteredLinks;
  }

  get linkCount(): number {
    return this.#visitors.size;
  }

  /** Takes over a channel whose upgrade just finished. */
  admit(channel: FrameChannel, address: string): void {
    const visitor = new Visitor(this.#options, channel, address, {
      onGone: () => this.#visitors.delete(visitor),
      revocations: () => this.#revocations,
    });
    this.#visitors.add(visitor);
  }

  /** Tells every replica which of its hostnames are routed, after the routes changed. */
  announceRoutes(): void {
    for (const visitor of this.#visitors) visitor.announceRoutes();
  }

  /** Asks every peer to dial again elsewhere; this process opens no more streams. */
  drain(dialAgainMs: number, graceMs: number): void {
    for (const visitor of this.#visitors) visitor.drain(dialAgainMs, graceMs);
  }

  /** Closes all links of a tunnel, or all there are. */
  close(code: number, error: PosternError, tunnelId?: string): void {
    this.#revocations += 1;
    for (const visitor of this.#visitors) {
      if (tunnelId === undefined || visitor.tunnelId === tunnelId) visitor.close(code, error);
    }
  }

  get #strangers(): number {
    let count = 0;
    for (const visitor of this.#visitors) if (visitor.tunnelId === undefined) count += 1;
    return count;
  }
}

/** What a visitor asks of the door. */
interface Door {
  onGone(): void;
  /** Grows with every revocation: a token that was checked before one must be checked again. */
  revocations(): number;
}

/** One link at the door, and behind it. */
class Visitor {
  readonly #door: Door;
  readonly #options: LinkDoorOptions;
  readonly #address: string;
  readonly #link: Link;
  #hello: HelloMessage | undefined;
  #isAsking = false;
  #replica: ConnectedReplica | undefined;

  constructor(options: LinkDoorOptions, channel: FrameChannel, address: string, door: Door) {
    this.#options = options;
    this.#door = door;
    this.#address = address;
    const timer = options.clock.after(LIMITS.handshakeMs, () => this.#timedOut());
    this.#link = new Link({
      channel,
      isDialler: false,
      clock: options.clock,
      events: {
        onControl: (message) => this.#onControl(message),
        onOpen: (slot) => {
          // A connector has nothing to open here; clients will.
          slot.reset('STREAM_REFUSED', 'Cannot open a stream: connectors open none');
          return NOBODY;
        },
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
      features: [],
      software: `postern/${VERSION}`,
      process: options.gatewayId,
    });
  }

  get tunnelId(): string | undefined {
    return this.#replica?.tunnel.id;
  }

  announceRoutes(): void {
    if (this.#replica === undefined) return;
    this.#link.sendControl({ type: 'hostnames', hostnames: this.#hostnames(this.#replica) });
  }

  drain(dialAgainMs: number, graceMs: number): void {
    const reason = 'the gateway stops';
    this.#link.sendControl({ type: 'drain', reason, dialAgainMs, graceMs });
    this.#link.drain();
  }

  close(code: number, error: PosternError): void {
    if (code === CLOSE_CODE.refused) this.#say(error, true);
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
        this.#onRules(message.rules);
        return;
      case 'drain':
        if (this.#replica === undefined) return;
        this.#link.drain();
        this.#options.log.info(this.#fields({ [FIELD.reason]: message.reason }), 'link drains');
        this.#options.onChange(this.#replica);
        return;
      default:
        // What only a gateway says means nothing when a connector says it.
        return;
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

  #onRegister(message: RegisterMessage): void {
    if (this.#hello === undefined) throw unexpected('register before hello');
    if (this.#isAsking) throw unexpected('a second register');
    this.#isAsking = true;
    this.#verify(this.#hello, message);
  }

  #verify(hello: HelloMessage, message: RegisterMessage): void {
    const revocations = this.#door.revocations();
    this.#options.verifyToken(message.token).then(
      (tunnel) => {
        if (revocations === this.#door.revocations()) this.#verified(hello, message, tunnel);
        else this.#verify(hello, message);
      },
      (error: unknown) => {
        this.#options.log.error({ [FIELD.err]: error }, 'cannot check a tunnel token');
        this.#refuse(asTemporary(error));
      },
    );
  }

  #verified(hello: HelloMessage, register: RegisterMessage, tunnel: Tunnel | undefined): void {
    if (this.#link.isClosed) return;
    if (tunnel === undefined) {
      const why = 'Cannot register: the token is for no tunnel here, or was rotated';
      this.#refuse(new PosternError('REGISTER_REFUSED', why));
      return;
    }
    const { registry, gatewayId, resumeTimeoutMs, metrics, log } = this.#options;
    try {
      this.#link.trust();
      const link = this.#link;
      // Joining attaches waiting streams at once, so the connector must hear `registered` first.
      const replica = registry.prepare({ tunnel, hello, register });
      this.#replica = replica;
      link.sendControl({
        type: 'registered',
        tunnel: { id: tunnel.id, name: tunnel.name },
        gateway: gatewayId,
        hostnames: this.#hostnames(replica),
        resumeMs: resumeTimeoutMs,
      });
      registry.join(replica, { link, index: register.link, address: this.#address });
    } catch (error) {
      this.#refuse(asTemporary(error));
      return;
    }
    metrics.registration();
    log.info(this.#fields(), 'link registered');
  }

  #onRules(rules: RegisterMessage['rules']): void {
    if (this.#replica === undefined) throw unexpected('rules before registered');
    try {
      this.#replica.setRules(rules);
    } catch (error) {
      throw new PosternError('PROTO_BAD_CONTROL', `Cannot take rules: ${messageOf(error)}`);
    }
    this.#options.onChange(this.#replica);
    this.announceRoutes();
  }

  /** Says for each hostname of the rules whether requests for it will come here. */
  #hostnames(replica: ConnectedReplica): Record<string, HostnameState> {
    const states: Record<string, HostnameState> = {};
    for (const rule of replica.rules) {
      const name = announcedName(rule);
      if (name !== undefined) states[name] = this.#stateOf(replica, name);
    }
    return states;
  }

  #stateOf(replica: ConnectedReplica, name: string): HostnameState {
    const route = this.#options.routes.find(name);
    if (route === undefined) return 'unrouted';
    if (route.tunnelId === replica.tunnel.id) return 'routed';
    if (replica.isNewRefusal(name)) {
      this.#options.log.warn(
        this.#fields({ [FIELD.hostname]: name }),
        'a connector announced a hostname that is routed to another tunnel',
      );
      this.#options.onRefusedHostname(replica, name);
    }
    return 'refused';
  }

  #refuse(error: PosternError): void {
    const { metrics, log } = this.#options;
    metrics.registration(error);
    log.warn(this.#fields({ [FIELD.err]: error }), 'registration refused');
    const isPermanent = error.code === 'REGISTER_REFUSED';
    this.#replica = undefined;
    this.#say(error, isPermanent);
    this.#link.close(isPermanent ? CLOSE_CODE.refused : CLOSE_CODE.tooMany, error.code);
  }

  #say(error: PosternError, permanent: boolean): void {
    const { code, message } = error;
    this.#link.sendControl({ type: 'refused', code, message, permanent });
  }

  #timedOut(): void {
    if (this.#replica !== undefined) return;
    const error = new PosternError('REGISTER_TIMEOUT', 'Cannot wait for registration any longer');
    this.#options.metrics.registration(error);
    this.#link.close(CLOSE_CODE.timeout, error.code);
  }

  #onClose(error: PosternError | undefined): void {
    const { metrics, log, registry } = this.#options;
    if (error !== undefined && codeOf(error)?.startsWith('PROTO_')) metrics.protoError(error);
    const fields = this.#fields(error === undefined ? {} : { [FIELD.err]: error });
    if (this.#replica === undefined) {
      log.debug(fields, 'a link closed that had not registered');
      return;
    }
    log.info(fields, 'link closed');
    registry.leave(this.#replica, this.#link);
  }

  #fields(more: Record<string, unknown> = {}): Record<string, unknown> {
    const replica = this.#replica;
    return {
      [FIELD.address]: this.#address,
      ...(replica && { [FIELD.tunnelName]: replica.tunnel.name, [FIELD.replica]: replica.id }),
      ...more,
    };
  }
}

const NOBODY = {
  onFrame: () => undefined,
  onReset: () => undefined,
  onLinkClosed: () => undefined,
  nextAck: () => undefined,
  nextFrame: () => undefined,
  onTick: () => undefined,
};

/** The hostname of a rule as it is routed; undefined for a catch-all, which waits for whatever is routed. */
function announcedName({ hostname }: ReplicaRule): string | undefined {
  return hostname.kind === 'any' ? undefined : hostname.text;
}

/** Anything but a refused token may be different next time. */
function asTemporary(error: unknown): PosternError {
  return new PosternError('REGISTER_LIMIT', messageOf(error), { cause: error });
}

function unexpected(what: string): PosternError {
  return new PosternError('PROTO_UNEXPECTED', `Cannot take ${what}`);
}
