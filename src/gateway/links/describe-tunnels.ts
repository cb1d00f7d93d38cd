/** What `gateway status` says of the tunnels that have connectors. */
import type { TunnelStatus } from '../gateway-status.ts';
import type { ConnectedReplica } from './connected-replica.ts';
import { describeReplica } from './describe-replica.ts';

/** One for each tunnel, by name. */
export function describeTunnels(replicas: Iterable<ConnectedReplica>): TunnelStatus[] {
  const byName = new Map<string, ConnectedReplica[]>();
  for (const replica of replicas) {
    const { name } = replica.tunnel;
    const others = byName.get(name);
    if (others === undefined) byName.set(name, [replica]);
    else others.push(replica);
  }
  return [...byName]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, those]) => describeTunnel(name, those));
}

function describeTunnel(name: string, connected: readonly ConnectedReplica[]): TunnelStatus {
  const replicas = connected.map(describeReplica);
  const links = replicas.flatMap((replica) => replica.links);
  const measured = links.flatMap(({ roundTripMs }) => roundTripMs ?? []);
  return {
    name,
    // One that lost its links may still come back.
    replicas: replicas.filter((replica) => replica.links.length > 0).length,
    links: links.length,
    streams: replicas.reduce((sum, { streams }) => sum + streams, 0),
    detached: replicas.reduce((sum, { detached }) => sum + detached, 0),
    ...(measured.length > 0 && { roundTripMs: Math.min(...measured) }),
    software: [...new Set(replicas.map(({ software }) => software))].toSorted(),
  };
}
