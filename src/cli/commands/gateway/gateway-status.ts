/** `postern gateway status`: what the running gateway says about itself and its workers. */
import { systemClock } from '../../../core/clock.ts';
import { defineCommand } from '../../command.ts';
import { configRows } from '../../describe-config.ts';
import { EXIT } from '../../exit-code.ts';
import { describeWorker, WORK } from '../../gateway/describe-worker.ts';
import { ADMIN_OPTIONS, withRunningGateway } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

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
      ...(workers.length === 0 ? [] : ['']),
      ...workers.flatMap((worker) => describeWorker(worker, systemClock.wall())),
    ]);
    return EXIT.done;
  },
});
