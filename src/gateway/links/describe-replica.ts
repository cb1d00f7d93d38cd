/** What `tunnel info` says of a connected replica. */
import type { ConnectedReplica } from './connected-replica.ts';
import type { ReplicaStatus } from '../gateway-status.ts';

/** Plain data, as of now. */
export function describeReplica(replica: ConnectedReplica): ReplicaStatus {
  const { id, info, software, streamCount, detachedCount, links, rules, unhealthyRules } = replica;
  const unhealthy = unhealthyRules.map(({ hostname, path }) =>
    path === undefined ? hostname.text : `${hostname.text} ${path.text}`,
  );
  return {
    id,
    ...info,
    software,
    streams: streamCount,
    detached: detachedCount,
    links: links.map(({ link, index, since, address }) => ({
      index,
      since,
      address,
      ...(link.measuredRoundTripMs !== undefined && { roundTripMs: link.measuredRoundTripMs }),
      streams: link.streamCount,
    })),
    hostnames: rules.map(({ hostname }) => hostname.text),
    ...(unhealthy.length > 0 && { unhealthy }),
  };
}
