/**
 * Which replicas of which tunnels are connected to this process, and which of them takes the next stream.
 *
 * Presence only: what exists is in the store. Nobody outside may assume that a tunnel it wants is in this table, since another
 * gateway may hold it (design.md §7).
 */
import type { Clock } from '../../core/clock.ts';
import { hasCode, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import type { HelloMessage } from '../../protocol/message/control-message.ts';
import type { ConnectorRegisterMessage } from '../../protocol/message/register-message.ts';
import type { Link } from '../../protocol/link.ts';
import type { StreamBudgets } from '../../protocol/stream-keeper.ts';
import type { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import { DeadRuns } from './dead-runs.ts';
import { ConnectedReplica, type ProvenTunnel, type ReplicaLink } from './connected-replica.ts';

interface RegistryEvents {
  /** The first link of a replica registered. */
  onJoin(replica: ConnectedReplica): void;
  /** The last link of a replica is gone. Its streams may still come back with it. `hasBroken`: it did not say that it leaves. */
  onLeave(replica: ConnectedReplica, hasBroken: boolean): void;
  /** It is dead, and nobody will resume its streams. */
  onDead(replica: ConnectedReplica): void;
}

export interface RegistryOptions {
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly resumeTimeoutMs: number;
  readonly events: RegistryEvents;
}

/** A link that asks to register, after its token was checked. */
export interface Candidate {
  readonly tunnel: ProvenTunnel;
  readonly hello: HelloMessage;
  readonly register: ConnectorRegisterMessage;
}

export class TunnelRegistry {
  readonly #options: RegistryOptions;
  /** By tunnel id, then by the replica's process id. */
  readonly #tunnels = new Map<string, Map<string, ConnectedReplica>>();
  readonly #deadRuns = new DeadRuns();
  #turns = 0;
  readonly #budgets: StreamBudgets = {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };

  constructor(options: RegistryOptions) {
    this.#options = options;
    options.metrics.countUnhealthy = () => this.#unhealthyByTunnel();
    options.metrics.countDetached = () =>
      this.replicas().reduce((sum, replica) => sum + replica.detachedCount, 0);
  }

  /** Every replica that has links or streams. */
  replicas(): ConnectedReplica[] {
    return [...this.#tunnels.values()].flatMap((replicas) => [...replicas.values()]);
  }

  /** Rules of replicas with a link whose origin is not well. */
  get unhealthyCount(): number {
    return [...this.#unhealthyByTunnel().values()].reduce((sum, count) => sum + count, 0);
  }

  /** The replicas of one tunnel, by its id. */
  replicasOf(tunnelId: string): ConnectedReplica[] {
    return [...(this.#tunnels.get(tunnelId)?.values() ?? [])];
  }

  /**
   * The reachable replica of a tunnel with the least under way, but none of `passed`; of several the one whose turn was the
   * longest ago. Undefined when there is none.
   */
  pick(tunnelId: string, passed?: ReadonlySet<ConnectedReplica>): ConnectedReplica | undefined {
    const replicas = this.#tunnels.get(tunnelId);
    if (replicas === undefined) return undefined;
    let best: ConnectedReplica | undefined;
    let least = Infinity;
    for (const replica of replicas.values()) {
      if (!replica.isReachable || passed?.has(replica) === true) continue;
      const load = replicas.size === 1 ? 0 : replica.load;
      const isOlder = best === undefined || replica.lastTurn < best.lastTurn;
      if (load < least || (load === least && isOlder)) {
        best = replica;
        least = load;
      }
    }
    return best;
  }

  /** A replica was chosen: the next time it is the turn of others that have as little under way. */
  chosen(replica: ConnectedReplica): void {
    this.#turns += 1;
    replica.lastTurn = this.#turns;
  }

  /** Whether a run of the tunnel, by its process id, is known to be dead. */
  isDead(tunnelId: string, run: string): boolean {
    return this.#deadRuns.has(tunnelId, run);
  }

  /**
   * The replica that a candidate speaks for, known or new, with the candidate's rules. Its link is not used before join().
   * Throws REGISTER_LIMIT, and CONFIG_INVALID for rules that cannot be understood.
   */
  prepare(candidate: Candidate): ConnectedReplica {
    const { tunnel, hello, register } = candidate;
    this.#bury(candidate);
    const replicas = this.#tunnels.get(tunnel.id) ?? new Map<string, ConnectedReplica>();
    const known = replicas.get(hello.process);
    if (known === undefined && replicas.size >= LIMITS.replicasPerTunnel) {
      throw limit(`tunnel "${tunnel.name}" has ${LIMITS.replicasPerTunnel} replicas`);
    }
    // The new link takes the place of one that had its index.
    const others = known?.links.filter(({ index }) => index !== register.link) ?? [];
    if (others.length >= LIMITS.linksPerReplica) {
      throw limit(`the replica has ${LIMITS.linksPerReplica} links`);
    }
    const replica = known ?? this.#createReplica(candidate);
    replica.setRules(register.rules);
    this.#tunnels.set(tunnel.id, replicas);
    replicas.set(replica.id, replica);
    return replica;
  }

  /** Puts a link of a prepared replica to use. Streams that waited for one continue on it at once. */
  join(replica: ConnectedReplica, entry: Omit<ReplicaLink, 'since'>): void {
    const isFirst = replica.linkCount === 0;
    const { series } = replica;
    series.linkOpened();
    if (isFirst) series.replicaJoined();
    replica.addLink({ ...entry, since: this.#options.clock.wall() });
    if (isFirst) this.#options.events.onJoin(replica);
  }

  /** A link ended. `hasBroken`: nobody meant it to. */
  leave(replica: ConnectedReplica, link: Link, hasBroken = false): void {
    replica.removeLink(link);
    const { series } = replica;
    series.linkClosed();
    if (replica.linkCount > 0) return;
    series.replicaLeft();
    this.#options.events.onLeave(replica, hasBroken);
    this.#forgetWhenDone(replica);
  }

  /** Gives up the dead runs that a candidate names. They are looked for in its own tunnel only. */
  #bury({ tunnel, hello, register }: Candidate): void {
    this.#deadRuns.remove(tunnel.id, hello.process);
    for (const run of register.replaces ?? []) {
      if (run === hello.process) continue;
      this.#deadRuns.add(tunnel.id, run);
      const replica = this.#tunnels.get(tunnel.id)?.get(run);
      if (replica !== undefined) this.#options.events.onDead(replica);
    }
  }

  #createReplica({ tunnel, hello, register }: Candidate): ConnectedReplica {
    const { clock, metrics, resumeTimeoutMs } = this.#options;
    const series = metrics.tunnel(tunnel.name);
    const replica: ConnectedReplica = new ConnectedReplica({
      tunnel,
      id: hello.process,
      software: hello.software,
      info: register.replica,
      clock,
      budgets: this.#budgets,
      series,
      resumeTimeoutMs,
      observer: {
        onOpened: () => series.streamOpened(),
        onResumed: () => series.streamResumed(),
        onEnded: (stream) => {
          series.streamClosed(stream.request.kind, stream.error);
          if (hasCode(stream.error, 'STREAM_LOST')) series.streamResumed(stream.error);
          this.#forgetWhenDone(replica);
        },
      },
      meter: {
        sent: (bytes) => series.addBytes('to-origin', bytes),
        received: (bytes) => series.addBytes('from-origin', bytes),
      },
    });
    return replica;
  }

  /** By name. Those without any are left out. */
  #unhealthyByTunnel(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { linkCount, tunnel, unhealthyRules } of this.replicas()) {
      if (linkCount === 0 || unhealthyRules.length === 0) continue;
      counts.set(tunnel.name, (counts.get(tunnel.name) ?? 0) + unhealthyRules.length);
    }
    return counts;
  }

  #forgetWhenDone(replica: ConnectedReplica): void {
    if (replica.linkCount > 0) return;
    // The opener tells the end of a stream before it forgets the stream, so count in a later turn.
    setImmediate(() => {
      if (replica.linkCount > 0 || replica.streamCount > 0) return;
      const replicas = this.#tunnels.get(replica.tunnel.id);
      if (replicas?.get(replica.id) !== replica) return;
      replicas.delete(replica.id);
      if (replicas.size === 0) this.#tunnels.delete(replica.tunnel.id);
    });
  }
}

function limit(why: string): PosternError {
  return new PosternError('REGISTER_LIMIT', `Cannot register the link: ${why}`);
}
