/**
 * Where a client's stream goes: to the replica it lives at, or, for a new one, to one that its key chooses.
 *
 * The choice by key needs no memory: should the client have to open the stream again before it heard of the replica, any
 * gateway leads it to the same one, as long as that is connected.
 */
import { PosternError } from '../../core/error.ts';
import type { ConnectedReplica, ReplicaRule } from '../links/connected-replica.ts';
import { chooseByKey } from '../routing/rendezvous.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { TunnelRegistry } from '../links/tunnel-registry.ts';

export interface StreamRoute {
  readonly replica: ConnectedReplica;
  /** Absent for a stream that is resumed after its rule went away: it goes on all the same. */
  readonly rule: ReplicaRule | undefined;
}

export interface StreamAddress {
  /** Normal form. */
  readonly hostname: string;
  readonly key: string;
  /** The replica that the stream lives at, once its client knows. */
  readonly replica: string | undefined;
  /** Whether the stream may have been opened before. */
  readonly isResumed: boolean;
}

/** Throws ROUTE_NOT_FOUND, ROUTE_NO_REPLICA, ROUTE_NO_RULE, and STREAM_LOST for one whose replica is known to be dead. */
export function routeStream(
  { routes, registry }: { readonly routes: RouteTable; readonly registry: TunnelRegistry },
  { hostname, key, replica: wanted, isResumed }: StreamAddress,
): StreamRoute {
  const route = routes.find(hostname);
  if (route === undefined) {
    throw new PosternError('ROUTE_NOT_FOUND', `Cannot reach "${hostname}": no route`);
  }
  const connected = registry.replicasOf(route.tunnelId).filter(({ linkCount }) => linkCount > 0);
  const replica =
    wanted === undefined
      ? chooseByKey(
          healthyFor(hostname, connected).filter(({ isReachable }) => isReachable),
          key,
          ({ id }) => id,
        )
      : connected.find(({ id }) => id === wanted);
  if (wanted !== undefined && replica === undefined && registry.isDead(route.tunnelId, wanted)) {
    throw new PosternError('STREAM_LOST', 'Cannot resume the stream: the connector was restarted');
  }
  if (replica === undefined) {
    const why = `no connector of tunnel "${route.tunnelName}" is connected`;
    throw new PosternError('ROUTE_NO_REPLICA', `Cannot reach "${hostname}": ${why}`);
  }
  const rule = replica.findRule(hostname, '');
  if (rule === undefined && !isResumed) {
    throw new PosternError('ROUTE_NO_RULE', `Cannot reach "${hostname}": no ingress rule matches`);
  }
  return { replica, rule };
}

/** Those whose origin is well, or all where none is. */
function healthyFor(
  hostname: string,
  replicas: readonly ConnectedReplica[],
): readonly ConnectedReplica[] {
  if (replicas.every(({ unhealthyRules }) => unhealthyRules.length === 0)) return replicas;
  const healthy = replicas.filter((replica) => {
    const rule = replica.findRule(hostname, '');
    return replica.isReachable && rule !== undefined && replica.isHealthy(rule);
  });
  return healthy.length === 0 ? replicas : healthy;
}
