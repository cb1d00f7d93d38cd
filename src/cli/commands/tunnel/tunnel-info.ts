/** `postern tunnel info`: one tunnel with its routes and its connectors. */
import type { ReplicaSummary, TunnelInfo } from '../../../admin/admin-api.ts';
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, TUNNEL_ARGUMENT, withAdmin } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';
import { roundTrip } from '../../round-trip.ts';

export const tunnelInfo = defineCommand({
  positionals: TUNNEL_ARGUMENT,
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ tunnel, config, output }) {
    const info = await withAdmin(config, (admin) => admin.call('tunnel.info', { tunnel }));
    printResult(output, info, describe);
    return EXIT.done;
  },
});

function describe({ id, name, createdAt, rotatedAt, routes, replicas }: TunnelInfo): string[] {
  const facts = table(
    ['tunnel', name],
    [
      ['id', id],
      ['created', createdAt],
      ['token since', rotatedAt ?? createdAt],
      ['routes', routes.join(', ') || 'none'],
      ...(replicas === undefined ? [['connectors', 'unknown: no gateway runs']] : []),
      ...(replicas?.length === 0 ? [['connectors', 'none']] : []),
    ],
  );
  if (replicas === undefined || replicas.length === 0) return facts;
  const rows = replicas.map((replica) => [
    replica.id,
    replica.hostname,
    addressesOf(replica),
    replica.software,
    replica.startedAt,
    String(replica.links.length),
    String(replica.streams),
    roundTrip(...replica.links.map((link) => link.roundTripMs)),
  ]);
  const unhealthy = replicas.flatMap((replica) =>
    (replica.unhealthy ?? []).map((rule) => `unhealthy: ${rule} at ${replica.id}`),
  );
  const headings = ['REPLICA', 'HOST', 'ADDRESS', 'SOFTWARE', 'STARTED', 'LINKS', 'STREAMS', 'RTT'];
  return [...facts, '', ...table(headings, rows), ...unhealthy, '', ...linkTable(replicas)];
}

/** Each link, so that a slow path or one that keeps coming back is seen. */
function linkTable(replicas: readonly ReplicaSummary[]): string[] {
  const rows = replicas.flatMap(({ id, links, detached }) => [
    ...byIndex(links).map(({ index, address, since, streams, roundTripMs }) => [
      String(index),
      id,
      address,
      since,
      String(streams),
      roundTrip(roundTripMs),
    ]),
    // Streams of a replica that wait for any of its links.
    ...(detached === 0 ? [] : [['-', id, 'waiting', '-', String(detached), '-']]),
  ]);
  return table(['LINK', 'REPLICA', 'ADDRESS', 'SINCE', 'STREAMS', 'RTT'], rows);
}

function byIndex(links: ReplicaSummary['links']): ReplicaSummary['links'] {
  return links.toSorted((a, b) => a.index - b.index);
}

/** Where its links come from, as the gateway sees it: what it says of itself is one thing, this another. */
function addressesOf({ links }: ReplicaSummary): string {
  const hosts = links.map(({ address }) => address.slice(0, address.lastIndexOf(':')));
  return [...new Set(hosts)].join(', ') || '-';
}
