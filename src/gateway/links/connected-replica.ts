/**
 * A connector that is, or just was, connected to this gateway: its links, its rules, and the streams opened to it.
 *
 * It outlives its links for as long as streams wait to be resumed. It never opens a stream at another replica.
 */
import { changesOf, type OriginChanges } from '../http/fields/origin-changes.ts';
import { parseHostnamePattern, type HostnamePattern } from '../../config/hostname-pattern.ts';
import { matchRule } from '../../config/connector/ingress-rule.ts';
import { compilePath, type PathPattern } from '../../config/connector/path-pattern.ts';
import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { AnnouncedRule } from '../../protocol/message/announced-rule.ts';
import type { HealthMessage } from '../../protocol/message/control-message.ts';
import type { ReplicaInfo } from '../../protocol/message/register-message.ts';
import type { StreamRequest } from '../../protocol/message/stream-request.ts';
import type { Link } from '../../protocol/link.ts';
import { ResumableOpener, type OpenerObserver } from '../../protocol/resumable-opener.ts';
import type { StreamBudgets, StreamMeter } from '../../protocol/stream-keeper.ts';
import type { Stream } from '../../protocol/stream.ts';
import type { Tunnel } from '../../store/store.ts';
import type { TunnelSeries } from '../../telemetry/tunnel-series.ts';

/** A rule that a connector announced, ready to be matched. */
export interface ReplicaRule extends Omit<AnnouncedRule, 'hostname' | 'path'> {
  readonly hostname: HostnamePattern;
  readonly path?: PathPattern;
  /** What `http` says of it, ready to be made. */
  readonly changes?: OriginChanges | undefined;
}

/** A link of a replica, for listings. */
export interface ReplicaLink {
  readonly link: Link;
  readonly index: number;
  /** Wall-clock time, ms. */
  readonly since: number;
  readonly address: string;
}

/** A tunnel, and which of its tokens somebody proved to have. */
export type ProvenTunnel = Pick<Tunnel, 'id' | 'name' | 'rotatedAt'>;

export interface ConnectedReplicaOptions {
  readonly tunnel: ProvenTunnel;
  /** The id of that run of the connector. */
  readonly id: string;
  readonly software: string;
  readonly info: ReplicaInfo;
  readonly clock: Clock;
  readonly budgets: StreamBudgets;
  /** Where the replica's tunnel is counted; kept here, so that a deleted tunnel's numbers do not come back. */
  readonly series: TunnelSeries;
  readonly resumeTimeoutMs: number;
  readonly observer: OpenerObserver;
  readonly meter: StreamMeter;
}

export class ConnectedReplica {
  readonly tunnel: ProvenTunnel;
  readonly id: string;
  readonly software: string;
  readonly info: ReplicaInfo;
  readonly series: TunnelSeries;
  readonly #opener: ResumableOpener;
  readonly #links = new Map<Link, ReplicaLink>();
  /** When it was chosen last, in turns of whoever chooses. */
  lastTurn = 0;
  readonly #refusedHostnames = new Set<string>();
  #rules: readonly ReplicaRule[] = [];
  /** Ids of rules whose origin is not well, as the connector says. */
  #unhealthy: ReadonlySet<string> = new Set();
  #healthRevision = 0;

  constructor(options: ConnectedReplicaOptions) {
    this.tunnel = options.tunnel;
    this.id = options.id;
    this.software = options.software;
    this.info = options.info;
    this.series = options.series;
    this.#opener = new ResumableOpener({
      clock: options.clock,
      budgets: options.budgets,
      detachedMs: options.resumeTimeoutMs,
      observer: options.observer,
      meter: options.meter,
    });
  }

  /** Whether a stream opened now would have a link at once. */
  get isReachable(): boolean {
    return this.#opener.isReachable;
  }

  get links(): readonly ReplicaLink[] {
    return [...this.#links.values()];
  }

  get linkCount(): number {
    return this.#links.size;
  }

  get streamCount(): number {
    return this.#opener.streamCount;
  }

  /** What is under way at it: requests, connections and streams of clients, without what is only kept for later. */
  get load(): number {
    let sum = this.#opener.detachedLoad;
    for (const link of this.#links.keys()) sum += link.load;
    return sum;
  }

  get detachedCount(): number {
    return this.#opener.detachedCount;
  }

  get rules(): readonly ReplicaRule[] {
    return this.#rules;
  }

  /** Replaces the rules. Throws CONFIG_INVALID for a pattern that cannot be understood. */
  setRules(rules: readonly AnnouncedRule[]): void {
    this.#rules = rules.map(compileRule);
  }

  /** The rule for a hostname in normal form and a path; '' for raw TCP. */
  findRule(hostname: string, path: string): ReplicaRule | undefined {
    return matchRule(this.#rules, hostname, path);
  }

  /** Rules whose origin the connector says is not well. */
  get unhealthyRules(): readonly ReplicaRule[] {
    return this.#unhealthy.size === 0 ? [] : this.#rules.filter((rule) => !this.isHealthy(rule));
  }

  /** Whether the origin of a rule is well, as far as is known. */
  isHealthy({ id }: Pick<ReplicaRule, 'id'>): boolean {
    return !this.#unhealthy.has(id);
  }

  /** Takes what the connector says about its origins. False for what is older than what is known. */
  setHealth({ revision, unhealthy }: HealthMessage): boolean {
    if (revision <= this.#healthRevision) return false;
    this.#healthRevision = revision;
    this.#unhealthy = new Set(unhealthy);
    return true;
  }

  /** Whether it should be told that this hostname is refused: once, and not for any number of them. */
  isNewRefusal(hostname: string): boolean {
    const told = this.#refusedHostnames;
    if (told.has(hostname) || told.size >= LIMITS.announcedRules) return false;
    told.add(hostname);
    return true;
  }

  /**
   * Another link. One that had its index before ends: the connector keeps a single link an index, so it knows already that
   * the old one is dead, and we would only learn it from the silence.
   */
  addLink(entry: ReplicaLink): void {
    const replaced = this.links.filter(({ index }) => index === entry.index);
    this.#links.set(entry.link, entry);
    this.#opener.addLink(entry.link);
    const error = new PosternError(
      'LINK_CLOSED',
      'Cannot go on with the link: it was dialled again',
    );
    for (const { link } of replaced) link.terminate(error);
  }

  removeLink(link: Link): void {
    this.#links.delete(link);
    this.#opener.removeLink(link);
  }

  /** The link that a relayed stream goes over: the one that carries the least. One that drains takes only those that come back. */
  relayLink(isResumed: boolean): Link | undefined {
    let best: Link | undefined;
    for (const link of this.#links.keys()) {
      const isFit = isResumed ? link.mayReopenNow : link.mayOpenNow;
      if (isFit && (best === undefined || link.load < best.load)) best = link;
    }
    return best;
  }

  /** Opens a stream. Throws STREAM_REFUSED when no link takes one. */
  open(request: StreamRequest): Stream {
    return this.#opener.open(request);
  }

  /** Ends every stream: the replica must not be reached any more, or will not come back. */
  failStreams(error: PosternError): void {
    this.#opener.failAll(error);
  }
}

function compileRule({ hostname, path, ...rule }: AnnouncedRule): ReplicaRule {
  return {
    ...rule,
    hostname: parseHostnamePattern(hostname),
    ...(path !== undefined && { path: compilePath(path) }),
    changes: changesOf(rule.http),
  };
}
