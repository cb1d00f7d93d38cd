/**
 * The HTTP path's view of the stream router: each request's destination as an OriginTarget whose connections are streams.
 *
 * The only place where HTTP and streams meet. A target is made once for each rule of a replica and then found again.
 */
import type { AnnouncedHttp } from '../protocol/control-message.ts';
import { StreamDuplex } from '../transport/stream-duplex.ts';
import type { ConnectedReplica, ReplicaRule } from './connected-replica.ts';
import type { HttpRouter, OriginTarget, RouteInput, RouteResult } from './http/origin-opener.ts';
import type { StreamRouter } from './stream-router.ts';
import { isPosternError } from '../core/error.ts';

/** Idle connections an origin may have kept, and for how long, where the connector does not say. */
const DEFAULTS = { keepAliveConnections: 100, keepAliveTimeoutMs: 90_000 };

export class HttpDestinations implements HttpRouter {
  readonly #router: StreamRouter;
  /** Targets by hostname and rule. They go with their replica. */
  readonly #targets = new WeakMap<ConnectedReplica, Map<string, OriginTarget>>();

  constructor(router: StreamRouter) {
    this.#router = router;
  }

  route({ hostname, path }: RouteInput): RouteResult {
    try {
      const { replica, rule } = this.#router.route('http', hostname, path);
      return { ok: true, target: this.#targetFor(replica, rule, hostname) };
    } catch (error) {
      if (isPosternError(error)) return { ok: false, error };
      throw error;
    }
  }

  /** The pools that hold connections to a replica. */
  poolKeysOf(replica: ConnectedReplica): string[] {
    return [...(this.#targets.get(replica)?.values() ?? [])].map(({ poolKey }) => poolKey);
  }

  #targetFor(replica: ConnectedReplica, rule: ReplicaRule, hostname: string): OriginTarget {
    const targets = this.#targets.get(replica) ?? new Map<string, OriginTarget>();
    this.#targets.set(replica, targets);
    // The connector checks the hostname of each stream against its rule, so streams of a wildcard rule are not shared
    // between hostnames.
    const key = `${rule.id} ${hostname}`;
    const known = targets.get(key);
    if (known !== undefined) return known;
    if (targets.size >= MAX_TARGETS) targets.clear();
    const target = createTarget(replica, rule, hostname);
    targets.set(key, target);
    return target;
  }
}

/** Hostnames under a wildcard rule are the user's choice, so what is remembered of them is bounded. */
const MAX_TARGETS = 1_000;

function createTarget(
  replica: ConnectedReplica,
  rule: ReplicaRule,
  hostname: string,
): OriginTarget {
  const { tunnel } = replica;
  const http: AnnouncedHttp = rule.http ?? {};
  return {
    poolKey: `${tunnel.id} ${replica.id} ${rule.id} ${hostname}`,
    tunnelId: tunnel.id,
    tunnelName: tunnel.name,
    replicaId: replica.id,
    ...(http.hostHeader !== undefined && { hostHeader: http.hostHeader }),
    keepAliveConnections: http.keepAliveConnections ?? DEFAULTS.keepAliveConnections,
    keepAliveTimeoutMs: http.keepAliveTimeoutMs ?? DEFAULTS.keepAliveTimeoutMs,
    async open({ requestId, client }) {
      const request = { kind: 'http' as const, hostname, rule: rule.id, requestId, client };
      const duplex = new StreamDuplex(replica.open(request));
      await duplex.accepted();
      return duplex;
    },
    isAlive: () => replica.isReachable,
  };
}
