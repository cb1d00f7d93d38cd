/** `postern gateway status`: what the running gateway says about itself and its workers. */
import type { GatewaySummary } from '../../../admin/admin-api.ts';
import { systemClock } from '../../../core/clock.ts';
import { defineCommand } from '../../command.ts';
import { configRows } from '../../describe-config.ts';
import { EXIT } from '../../exit-code.ts';
import { describeWorker, WORK } from '../../gateway/describe-worker.ts';
import { ADMIN_OPTIONS, withRunningGateway } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';
import { roundTrip } from '../../round-trip.ts';

export const gatewayStatus = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const status = await withRunningGateway(config, (admin) => admin.call('gateway.status', {}));
    printResult(output, status, ({ isDraining, addresses, workers = [], ...rest }) => [
      ...table(
        ['gateway', rest.id],
        [
          ['version', rest.version],
          ['state', isDraining ? 'draining' : 'running'],
          ['since', rest.startedAt],
          ['links', String(rest.links)],
          [WORK.httpRequests, String(rest.httpRequests)],
          [WORK.webSockets, String(rest.webSockets)],
          [WORK.tcpConnections, String(rest.tcpConnections)],
          ['clients', String(rest.clients)],
          [WORK.clientStreams, String(rest.clientStreams)],
          ...configRows(rest.config),
          ...(rest.unhealthyRules === undefined
            ? []
            : [['unhealthy origins', String(rest.unhealthyRules)]]),
          ...Object.entries(addresses),
        ],
      ),
      ...tunnelLines(rest),
      ...(workers.length === 0 ? [] : ['']),
      ...workers.flatMap((worker) => describeWorker(worker, systemClock.wall())),
    ]);
    return EXIT.done;
  },
});

/** A table of the tunnels that have connectors. */
function tunnelLines({
  tunnels = [],
  moreTunnels = 0,
}: Pick<GatewaySummary, 'tunnels' | 'moreTunnels'>): string[] {
  if (tunnels.length === 0) return [];
  const rows = tunnels.map(
    ({ name, replicas, links, streams, detached, roundTripMs, software }) => [
      name,
      String(replicas),
      String(links),
      detached === 0 ? String(streams) : `${streams} (${detached} waiting)`,
      roundTrip(roundTripMs),
      software.join(', '),
    ],
  );
  const headings = ['TUNNEL', 'REPLICAS', 'LINKS', 'STREAMS', 'RTT', 'SOFTWARE'];
  const more = moreTunnels === 0 ? [] : [`… and ${moreTunnels} more: postern tunnel list`];
  return ['', ...table(headings, rows), ...more];
}
