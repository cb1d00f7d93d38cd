/**
 * The door of a gateway with everything behind it that relays streams of clients, in memory: connectors and clients that are
 * honest, clients that are nothing but bytes, and a gate that does as a test says.
 */
import { PosternError } from '../../../../src/core/error.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { Arrivals } from '../../../../src/gateway/routing/arrivals.ts';
import { LinkDoor } from '../../../../src/gateway/links/link-door.ts';
import {
  ClientStreams,
  type ClientStreamsOptions,
} from '../../../../src/gateway/relay/client-streams.ts';
import type {
  ClientPrincipal,
  StreamAsk,
  StreamGate,
  StreamVerdict,
} from '../../../../src/gateway/relay/stream-gate.ts';
import { RouteTable } from '../../../../src/gateway/routing/route-table.ts';
import type { StreamSigner } from '../../../../src/gateway/routing/signed-stream.ts';
import { TunnelRegistry } from '../../../../src/gateway/links/tunnel-registry.ts';
import { ByteBudget } from '../../../../src/protocol/byte-budget.ts';
import type { AnnouncedRule } from '../../../../src/protocol/message/announced-rule.ts';
import type {
  AdmittedMessage,
  ControlMessage,
  RegisteredMessage,
} from '../../../../src/protocol/message/control-message.ts';
import { decodeFrame, encodeJson, type Frame } from '../../../../src/protocol/frame.ts';
import type { Link } from '../../../../src/protocol/link.ts';
import { NOBODY } from '../../../../src/protocol/slot.ts';
import { ResumableOpener } from '../../../../src/protocol/resumable-opener.ts';
import { StreamAccepter } from '../../../../src/protocol/stream-accepter.ts';
import type { StreamBudgets } from '../../../../src/protocol/stream-keeper.ts';
import type { Tunnel } from '../../../../src/store/store.ts';
import { GatewayMetrics } from '../../../../src/telemetry/gateway-metrics.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { RefusalLog } from '../../../../src/telemetry/refusal-log.ts';
import { registerLink } from '../../../../src/transport/dial/register-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { memoryChannels, type MemoryChannel } from '../../../support/memory-channel.ts';
import { REQUEST } from '../../protocol/raw-peer.ts';
import { settle } from '../../protocol/turns.ts';
import { AppEnd } from '../../protocol/two-ends.ts';

export const HOSTNAME = 'ssh.postern.test';
export const OTHER_HOSTNAME = 'db.postern.test';
export const BASTION_HOSTNAME = 'bastion.postern.test';

const RULES: readonly AnnouncedRule[] = [
  { id: 'ssh', hostname: HOSTNAME, kind: 'tcp' },
  { id: 'db', hostname: OTHER_HOSTNAME, kind: 'tcp', access: true },
  { id: 'bastion', hostname: BASTION_HOSTNAME, kind: 'tcp', destinations: true },
];

/** A gate that knows credentials by the name they are for, and does as it is told. */
class TestGate implements StreamGate<ClientPrincipal> {
  /** Users and hostnames that are not allowed. */
  readonly denied = new Set<string>();
  readonly holds = new Map<StreamAsk<ClientPrincipal>, (error: PosternError) => void>();
  readonly watches = new Set<(error: PosternError) => void>();
  /** How long streams may be detached, and live. */
  life: { readonly detachedMs?: number; readonly endsMs?: number } = {};
  /** What clients are let in with from now on. */
  grant: string | undefined;
  /** A session or token is over. */
  endGrant: (grant: string) => void = () => undefined;
  /** What admit() fails with. */
  failure: Error | undefined;

  async admit(credential: string | undefined): Promise<ClientPrincipal> {
    if (this.failure !== undefined) throw this.failure;
    if (credential === 'bad') throw new PosternError('ACCESS_SIGN_IN', 'Cannot let the client in');
    if (credential === undefined) return {};
    const grant = this.grant ?? grantOf(credential);
    return { user: credential, owner: `owner ${credential}`, grant };
  }

  watch(_: ClientPrincipal, end: (error: PosternError) => void): { release(): void } {
    this.watches.add(end);
    return { release: () => void this.watches.delete(end) };
  }

  onGrantEnded(listener: (grant: string) => void): void {
    this.endGrant = listener;
  }

  judge({ hostname, principal }: StreamAsk<ClientPrincipal>): StreamVerdict {
    const isDenied = this.denied.has(hostname) || this.denied.has(principal.user ?? '');
    const error = new PosternError('ACCESS_DENIED', 'Cannot reach it: not allowed');
    return isDenied
      ? { allow: false, error }
      : { allow: true, application: 'app', right: { by: 'user', principal: {} }, ...this.life };
  }

  hold(ask: StreamAsk<ClientPrincipal>, end: (error: PosternError) => void): { release(): void } {
    this.holds.set(ask, end);
    return { release: () => void this.holds.delete(ask) };
  }

  /** Whatever is held is no longer allowed. */
  revokeAll(): void {
    const error = new PosternError('ACCESS_REVOKED', 'Cannot go on: access has ended');
    for (const [ask, end] of this.holds) {
      this.holds.delete(ask);
      end(error);
    }
  }
}

/** Stands for what this credential is. */
export function grantOf(credential: string): string {
  return `grant-of-${credential}`.padEnd(32, '-');
}

export class RelayLab {
  readonly clock = new FakeClock();
  readonly gate = new TestGate();
  /** Signs by writing down what it was asked to. */
  readonly signer: StreamSigner = {
    sign: ({ requestId, rule }, { by }) => `signed ${requestId} ${rule} ${by}`,
  };
  readonly routes = new RouteTable();
  readonly arrivals = new Arrivals({ clock: this.clock, routes: this.routes });
  readonly registry: TunnelRegistry;
  readonly streams: ClientStreams<ClientPrincipal>;
  readonly door: LinkDoor;
  /** 'attached', 'resumed', 'ended', 'detached', a code, or 'refused' and a code: what observers were told, in order. */
  readonly events: string[] = [];

  /** Replicas whose last link ended, and whether it broke. */
  readonly left: [string, boolean][] = [];

  constructor(most?: ClientStreamsOptions<ClientPrincipal>['most']) {
    const { clock, gate, routes } = this;
    const metrics = new GatewayMetrics({ version: '0' });
    this.registry = new TunnelRegistry({
      clock,
      metrics,
      resumeTimeoutMs: LIMITS.detachedMs,
      events: {
        onJoin: (replica) => {
          this.arrivals.arrived(replica.tunnel.id);
          this.streams.onJoin(replica);
        },
        onLeave: ({ id }, hasBroken) => void this.left.push([id, hasBroken]),
        onDead: () => undefined,
      },
    });
    this.streams = new ClientStreams({
      clock,
      gate,
      routes,
      registry: this.registry,
      arrivals: this.arrivals,
      ...(most && { most }),
      signer: this.signer,
      events: {
        onAttached: ({ isResumed }) => void this.events.push(isResumed ? 'resumed' : 'attached'),
        onEnded: (_, { end }) => {
          this.events.push(end.kind === 'reset' ? end.error.code : end.kind);
        },
        onRefused: (_, { code }) => void this.events.push(`refused ${code}`),
      },
    });
    const log = createLog({ component: 'gateway', level: 'silent' });
    this.door = new LinkDoor({
      gatewayId: 'the-gateway',
      clock,
      log,
      refusals: new RefusalLog({ clock, log }),
      metrics,
      registry: this.registry,
      routes,
      resumeTimeoutMs: LIMITS.detachedMs,
      gate,
      clientStreams: this.streams,
      publicKeys: () => [],
      verifyToken: async (token) => tunnel(token),
      onRefusedHostname: () => undefined,
      onChange: () => undefined,
    });
    this.route(HOSTNAME, OTHER_HOSTNAME, BASTION_HOSTNAME);
  }

  /** These hostnames lead to tunnel `t`, and no others. */
  route(...hostnames: string[]): void {
    this.routes.load(
      hostnames.map((hostname) => ({
        hostname,
        tunnelId: 't',
        tunnelName: 't',
        createdAt: 0,
      })),
    );
  }

  async connector(process = 'replica-1'): Promise<Connector> {
    const connector = new Connector(this, process);
    await connector.dial();
    return connector;
  }

  async client(credential?: string): Promise<Client> {
    const client = new Client(this, credential);
    await client.dial();
    return client;
  }

  /** A link on whose other side a test writes bytes; `hello` and `register` have been said. */
  async stranger(credential?: string): Promise<Stranger> {
    const stranger = new Stranger(this.door);
    stranger.control({ type: 'hello', versions: [1], features: [], software: 'x', process: 'p' });
    stranger.control({ type: 'register', role: 'client', ...(credential && { credential }) });
    await settle();
    stranger.frames.length = 0;
    return stranger;
  }

  /** Lets time pass in steps in which links notice each other. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 4_000) {
      this.clock.run(Math.min(left, 4_000));
      await settle();
    }
  }
}

/** An honest connector with one link, whose origins answer at once. */
export class Connector {
  readonly apps: AppEnd[] = [];
  readonly accepter: StreamAccepter;
  readonly ends: ControlMessage[] = [];
  readonly drains: ControlMessage[] = [];
  readonly #lab: RelayLab;
  readonly process: string;
  #channel: MemoryChannel | undefined;
  link: Link | undefined;

  constructor(lab: RelayLab, process: string) {
    this.#lab = lab;
    this.process = process;
    this.accepter = new StreamAccepter({
      clock: lab.clock,
      budgets: budgets(),
      onStream: (stream) => {
        this.apps.push(new AppEnd(stream));
        stream.accept();
      },
    });
  }

  /** Makes a link; one that there is with this index loses its place. */
  async dial(index = 0): Promise<void> {
    const [ours, theirs] = memoryChannels();
    this.#lab.door.admit(theirs, '192.0.2.7:7');
    const { link } = await registerLink<RegisteredMessage>({
      channel: ours,
      clock: this.#lab.clock,
      process: this.process,
      register: {
        type: 'register',
        role: 'connector',
        token: 't',
        link: index,
        replica: { hostname: 'h', platform: 'p', startedAt: 0 },
        rules: RULES,
      },
      answer: 'registered',
      events: {
        onOpen: (slot, message) => this.accepter.open(slot, message),
        onControl: (message) => {
          if (message.type === 'drain') this.drains.push(message);
          if (message.type !== 'end') return;
          this.ends.push(message);
          const error = new PosternError('ACCESS_REVOKED', 'no longer');
          this.accepter.end(message.keys, error);
          this.accepter.endGrants(message.grants ?? [], error);
        },
        onClose: () => undefined,
      },
    });
    this.link = link;
    this.#channel = ours;
  }

  /** Its link breaks. */
  async cut(): Promise<void> {
    this.#channel?.cut();
    await settle();
  }

  app(index = 0): AppEnd {
    const app = this.apps[index];
    if (app === undefined) throw new Error(`Cannot find stream ${index} at the connector`);
    return app;
  }
}

/** An honest client. */
export class Client {
  readonly opener: ResumableOpener;
  readonly drains: ControlMessage[] = [];
  link: Link | undefined;
  readonly #lab: RelayLab;
  readonly #credential: string | undefined;
  #channel: MemoryChannel | undefined;
  user: string | undefined;

  constructor(lab: RelayLab, credential: string | undefined) {
    this.#lab = lab;
    this.#credential = credential;
    this.opener = new ResumableOpener({
      clock: lab.clock,
      budgets: budgets(),
      detachedMs: LIMITS.clientDetachedMs,
    });
  }

  async dial(): Promise<void> {
    const [ours, theirs] = memoryChannels();
    this.#lab.door.admit(theirs, '192.0.2.1:1');
    const { link, answer } = await registerLink<AdmittedMessage>({
      channel: ours,
      clock: this.#lab.clock,
      process: 'client',
      register: {
        type: 'register',
        role: 'client',
        ...(this.#credential !== undefined && { credential: this.#credential }),
      },
      answer: 'admitted',
      events: {
        onOpen: () => NOBODY,
        onControl: (message) => {
          if (message.type === 'drain') this.drains.push(message);
        },
        onClose: () => this.opener.removeLink(link),
      },
    });
    this.user = answer.user;
    this.#channel = ours;
    this.link = link;
    this.opener.addLink(link);
  }

  /** Nothing arrives any more, in either direction, and nobody is told. */
  fallSilent(): void {
    this.#channel?.blackHole();
  }

  async open(hostname = HOSTNAME): Promise<AppEnd> {
    const app = new AppEnd(this.opener.open({ ...REQUEST, hostname }));
    await settle();
    return app;
  }

  async cut(): Promise<void> {
    this.#channel?.cut();
    await settle();
  }
}

/** The far side of the door as nothing but bytes. */
export class Stranger {
  readonly frames: Frame[] = [];
  readonly channel: MemoryChannel;
  /** How the gateway closed the link. */
  closed: { code: number; reason: string } | undefined;

  constructor(door: LinkDoor, address = '192.0.2.66:6') {
    const [ours, theirs] = memoryChannels();
    this.channel = ours;
    ours.events = {
      onFrame: (bytes) => void this.frames.push(decodeFrame(bytes)),
      onDrain: () => undefined,
      onClose: () => (this.closed = theirs.closedWith ?? { code: 1006, reason: '' }),
    };
    door.admit(theirs, address);
  }

  control(message: object): void {
    this.channel.send([encodeJson('CONTROL', 0, message)]);
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    this.channel.send(frames);
    await settle();
  }

  get controls(): ControlMessage[] {
    return this.frames.flatMap((frame) =>
      frame.type === 'CONTROL' ? [JSON.parse(frame.json.toString()) as ControlMessage] : [],
    );
  }

  /** What came on stream ids since the last call. */
  async told(): Promise<string[]> {
    await settle();
    return this.frames
      .splice(0)
      .filter(({ type }) => type !== 'CONTROL' && type !== 'PING')
      .map((frame) => (frame.type === 'RESET' ? `RESET ${frame.code}` : frame.type));
  }
}

function tunnel(token: string): Tunnel | undefined {
  return token === 't' ? { id: 't', name: 't', createdAt: 0, rotatedAt: undefined } : undefined;
}

function budgets(): StreamBudgets {
  return {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
}
