/**
 * One running connector of a tunnel: its links, the streams on them, and their life from start to drain.
 *
 * All links share one table of streams, so a stream that loses its link continues on any other. The first link must
 * register before the others are dialled: a wrong token or an unreachable gateway is asked once and not four times.
 */
import { hostname } from 'node:os';
import type { IngressRule } from '../config/connector/ingress-rule.ts';
import { systemClock, type Timer } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { newId } from '../core/id.ts';
import { LIMITS } from '../core/limits.ts';
import { withResolvers } from '../core/with-resolvers.ts';
import { ByteBudget } from '../protocol/byte-budget.ts';
import type { Link } from '../protocol/link.ts';
import type { ReplicaInfo } from '../protocol/message/register-message.ts';
import { StreamAccepter } from '../protocol/stream-accepter.ts';
import type { ConnectorMetrics } from '../telemetry/connector-metrics.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { dialChannel } from '../transport/dial/dial-channel.ts';
import {
  LinkKeeper,
  sayGoodbye,
  type KeptLink,
  type LinkEnd,
} from '../transport/dial/link-keeper.ts';
import { watchNetwork } from '../transport/watch/network-watch.ts';
import { watchSleep } from '../transport/watch/sleep-watch.ts';
import { DrainedLinks } from './drained-links.ts';
import { HealthChecks } from './health/health-checks.ts';
import { HostnameNotes } from './hostname-notes.ts';
import { announce } from './ingress/ingress.ts';
import { StreamAccess } from './ingress/stream-access.ts';
import { OriginStreams } from './origin-streams.ts';
import { OriginDialer } from './origin/origin-dialer.ts';
import { registerConnector } from './registration.ts';
import { ReplicaDrain } from './replica-drain.ts';
import { settleLink } from './settle-link.ts';
import { waitWhile } from './wait-while.ts';

const STOPS = 'the connector stops';

export interface ReplicaOptions {
  /** Default: a new one. */
  readonly id?: string;
  /** Origins of the gateways, at least one; links are spread over them. */
  readonly gateways: readonly string[];
  /** PEM text of authorities trusted besides the system's. */
  readonly ca?: string | undefined;
  readonly token: string;
  /** Name or id of the tunnel, for the built-in page. */
  readonly tunnelName: string;
  readonly rules: readonly IngressRule[];
  readonly linkCount: number;
  /** Runs of this tunnel that died, by their ids: their streams will not be resumed. */
  readonly replaces?: readonly string[];
  /** Told why a link could not be registered. */
  readonly onDialFailed?: (error: unknown) => void;
  /** `env` obeys HTTPS_PROXY and its like; `none` dials directly. Default `env`. */
  readonly proxy?: 'env' | 'none';
  readonly log: Log;
  readonly metrics: ConnectorMetrics;
}

export class Replica {
  /** Names this run of the connector at the gateway: streams resume only with the same one. */
  readonly id: string;
  readonly #options: ReplicaOptions;
  readonly #info: ReplicaInfo;
  readonly #accepter: StreamAccepter;
  readonly #dialer: OriginDialer;
  readonly #access = new StreamAccess();
  readonly #health: HealthChecks;
  /** How often what the health checks say has changed. */
  #healthRevision = 0;
  readonly #keepers: LinkKeeper[] = [];
  /** Registered links, also those that drain while their replacement is up already. */
  readonly #links = new Set<KeptLink>();
  /** Those of them whose gateway asked us to leave. */
  readonly #drainedLinks = new DrainedLinks();
  #rules: readonly IngressRule[];
  #ca: string | undefined;
  /** Rules that were replaced, while a gateway may not have heard of it. */
  #fadingRules: readonly IngressRule[] = [];
  #sleepWatch: Timer | undefined;
  #networkWatch: Timer | undefined;
  #running: Promise<unknown> = Promise.resolve();
  readonly #drain = new ReplicaDrain({
    reason: STOPS,
    drainedLinks: this.#drainedLinks,
    streamCount: () => this.#accepter.streamCount,
    isStopped: () => this.#isStopped,
  });
  #drained: Promise<number> | undefined;
  #isStopped = false;
  readonly #notes: HostnameNotes;
  #onFirstLink: () => void = () => undefined;

  constructor(options: ReplicaOptions) {
    const { log, metrics, tunnelName } = options;
    this.#options = options;
    this.#notes = new HostnameNotes(log, tunnelName);
    this.id = options.id ?? newId();
    this.#rules = options.rules;
    this.#ca = options.ca;
    this.#info = {
      hostname: hostname(),
      platform: `${process.platform}/${process.arch}`,
      startedAt: systemClock.wall(),
    };
    this.#dialer = new OriginDialer({ identity: { tunnel: tunnelName, replica: this.id } });
    const streams = new OriginStreams({
      dialer: this.#dialer,
      log,
      metrics,
      rules: () => [...this.#rules, ...this.#fadingRules],
      access: this.#access,
    });
    this.#accepter = new StreamAccepter({
      clock: systemClock,
      budgets: {
        unacked: new ByteBudget(LIMITS.processUnackedBytes),
        windows: new ByteBudget(LIMITS.processWindowBytes),
      },
      onStream: (stream) => streams.serve(stream),
      // While it drains, too: what arrives then was opened before the gateway knew.
      takesStreams: () => !this.#isStopped,
      meter: {
        sent: (bytes) => metrics.addBytes('from-origin', bytes),
        received: (bytes) => metrics.addBytes('to-origin', bytes),
      },
    });
    this.#health = new HealthChecks({
      clock: systemClock,
      dialer: this.#dialer,
      log,
      metrics,
      onChange: () => this.#healthChanged(),
    });
    metrics.countUnhealthy = () => this.#health.unhealthy.length;
    metrics.isReady = () => this.isReady;
  }

  /** Whether a link is registered and the replica takes streams. */
  get isReady(): boolean {
    return this.#links.size > 0 && !this.isDraining;
  }

  get linkCount(): number {
    return this.#links.size;
  }

  get streamCount(): number {
    return this.#accepter.streamCount;
  }

  /** Starts dialling. Resolves when the first link is registered, however long that takes. */
  async start(): Promise<void> {
    const { linkCount, log } = this.#options;
    this.#health.setRules(this.#rules);
    this.#sleepWatch = watchSleep(systemClock, () => this.dialAgain('the machine slept'));
    this.#networkWatch = watchNetwork(systemClock, (change) => {
      for (const keeper of this.#keepers) keeper.onNetworkChange(change);
    });
    const first = new Promise<void>((resolve) => (this.#onFirstLink = resolve));
    const keepers = Array.from({ length: linkCount }, (_, index) => this.#createKeeper(index));
    this.#keepers.push(...keepers);
    const [firstKeeper, ...others] = keepers;
    const firstRun = firstKeeper?.run();
    log.info({ [FIELD.replica]: this.id, [FIELD.count]: linkCount }, 'connector starts');
    await first;
    this.#running = Promise.all([firstRun, ...others.map((keeper) => keeper.run())]);
  }

  /** Drops links that are probably dead and dials at once. Their streams continue on the new ones. */
  dialAgain(reason: string): void {
    this.#options.log.info({ [FIELD.reason]: reason }, 'dialling all links again');
    const error = new PosternError('LINK_CLOSED', `Cannot trust the link: ${reason}`);
    for (const keeper of this.#keepers) keeper.dialAgain(error);
  }

  /**
   * Puts new rules in force, here and at the gateways. Streams that are open stay as they are, and those that a gateway
   * opened before it heard of the change are served by the old rules.
   */
  setRules(rules: readonly IngressRule[]): void {
    const old = this.#rules;
    this.#rules = rules;
    this.#fadingRules = [...this.#fadingRules, ...old];
    const settled = [...this.#links].map(async ({ link }) => {
      link.sendControl({ type: 'rules', rules: announce(rules) });
      await settleLink(link);
    });
    const forget = (): void => {
      this.#fadingRules = this.#fadingRules.filter((rule) => !old.includes(rule));
    };
    Promise.all(settled).then(forget, forget);
    this.#health.setRules(rules);
  }

  /**
   * Trusts these authorities besides the system's, PEM text, for links that are dialled from now on. Returns whether they are
   * others than before.
   */
  setTrust(ca: string | undefined): boolean {
    const isOther = ca !== this.#ca;
    this.#ca = ca;
    return isOther;
  }

  /** Resolves when all links are registered, or after `waitMs`: a gateway may be down. */
  async linksUp(waitMs: number): Promise<void> {
    const deadline = systemClock.now() + waitMs;
    const isShort = (): boolean => this.#links.size < this.#options.linkCount && !this.#isStopped;
    await waitWhile(() => isShort() && systemClock.now() < deadline);
  }

  /**
   * Asks for no new streams, waits until those that are open have ended or `graceMs` is over, then stops. Infinity waits for
   * as long as they take. Asked again it may only take less. Returns how many streams were cut.
   */
  async drain(graceMs: number): Promise<number> {
    this.#drain.begin(graceMs);
    return (this.#drained ??= this.#drainAndStop());
  }

  /** Stops at once. Safe to call twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#health.stop();
    this.#sleepWatch?.cancel();
    this.#networkWatch?.cancel();
    for (const keeper of this.#keepers) keeper.stop();
    this.#onFirstLink();
    this.#accepter.resetAll('STREAM_LOST', 'Cannot go on: the connector stops');
    for (const { link } of this.#links) sayGoodbye(link, STOPS);
    this.#dialer.close();
    await this.#running;
  }

  #createKeeper(index: number): LinkKeeper {
    const { log, metrics } = this.#options;
    return new LinkKeeper({
      index,
      clock: systemClock,
      log,
      onDialled: (error) => {
        metrics.linkDialled(error);
        if (error !== undefined) this.#options.onDialFailed?.(error);
      },
      dial: async (attempt, signal) => this.#dial(index, attempt, signal),
      onUp: (kept) => this.#linkUp(kept),
      onDown: (kept) => this.#linkDown(kept),
      isUrgent: () => this.#accepter.detachedCount > 0,
      // A tunnel that was revoked must not hold its origins: nobody may come back for these streams.
      onRefused: (error) => this.#accepter.failDetached(error),
    });
  }

  async #dial(index: number, attempt: number, signal: AbortSignal): Promise<KeptLink> {
    const { gateways, token, proxy } = this.#options;
    const gateway = gateways[(index + attempt) % gateways.length] as string;
    const channel = await dialChannel({
      url: gateway,
      ca: this.#ca,
      proxy: proxy === 'none' ? undefined : 'env',
      signal,
    });
    const { promise: ended, resolve: end } = withResolvers<LinkEnd>();
    let kept: KeptLink | undefined;
    let isDrained = false;
    const { link, answer } = await registerConnector({
      channel,
      clock: systemClock,
      accepter: this.#accepter,
      token,
      process: this.id,
      index,
      replica: this.#info,
      rules: announce(this.#rules),
      replaces: this.#options.replaces ?? [],
      isDraining: this.isDraining,
      events: {
        onDrain: (message) => {
          isDrained = true;
          if (kept !== undefined) this.#drainedLinks.add(answer.gateway, kept);
          end({ kind: 'drain', message });
        },
        onKeys: (keys) => this.#access.setKeys(index, keys),
        onHostnames: ({ hostnames }) => this.#notes.show(hostnames),
        onClose: (error) => {
          if (kept !== undefined) this.#forget(kept);
          end({ kind: 'closed', error });
        },
      },
    });
    kept = { link, gateway, ended, localAddress: channel.localAddress };
    if (!link.isClosed) this.#links.add(kept);
    if (this.#healthRevision > 0) this.#tellHealth(link);
    if (isDrained) this.#drainedLinks.add(answer.gateway, kept);
    this.#options.log.info(
      {
        [FIELD.link]: index,
        [FIELD.gateway]: gateway,
        [FIELD.tunnel]: answer.tunnel.id,
        [FIELD.tunnelName]: answer.tunnel.name,
      },
      'link registered',
    );
    this.#notes.show(answer.hostnames);
    return kept;
  }

  #healthChanged(): void {
    this.#healthRevision += 1;
    for (const { link } of this.#links) this.#tellHealth(link);
  }

  #tellHealth(link: Link): void {
    const { unhealthy } = this.#health;
    link.sendControl({ type: 'health', revision: this.#healthRevision, unhealthy });
  }

  #forget(kept: KeptLink): void {
    this.#links.delete(kept);
    this.#drainedLinks.delete(kept);
  }

  #linkUp(kept: KeptLink): void {
    this.#options.metrics.linkOpened();
    if (this.#isStopped) sayGoodbye(kept.link, STOPS);
    else if (this.isDraining) this.#drain.tell(kept.link);
    this.#onFirstLink();
  }

  #linkDown(_kept: KeptLink): void {
    this.#options.metrics.linkClosed();
  }

  /** Whether it takes no new streams any more. */
  get isDraining(): boolean {
    return this.#isStopped || this.#drain.hasBegun;
  }

  async #drainAndStop(): Promise<number> {
    for (const kept of this.#links) {
      // A gateway that goes away itself knows no connector but those it has: it closes these links when it needs nobody any more.
      if (!this.#drainedLinks.has(kept)) this.#drain.tell(kept.link);
    }
    await this.#drain.streamsEnded();
    const cut = this.#accepter.streamCount;
    await this.stop();
    return cut;
  }
}
