/** `postern gateway status`: what the running gateway says about itself. */
import { defineCommand } from '../../command.ts';
import { EXIT } from '../../exit-code.ts';
import { ADMIN_OPTIONS, withRunningGateway } from '../../open-admin.ts';
import { OUTPUT_OPTION, printResult, table } from '../../output.ts';

export const gatewayStatus = defineCommand({
  positionals: {},
  options: { ...ADMIN_OPTIONS, ...OUTPUT_OPTION },
  async run({ config, output }) {
    const status = await withRunningGateway(config, (admin) => admin.call('gateway.status', {}));
    printResult(output, status, ({ isDraining, addresses, ...rest }) =>
      table(
        ['gateway', rest.id],
        [
          ['version', rest.version],
          ['state', isDraining ? 'draining' : 'running'],
          ['since', rest.startedAt],
          ['links', String(rest.links)],
          ['requests under way', String(rest.httpRequests)],
          ['WebSockets', String(rest.webSockets)],
          ['TCP connections', String(rest.tcpConnections)],
          ['clients', String(rest.clients)],
          ['streams of clients', String(rest.clientStreams)],
          ...Object.entries(addresses),
        ],
      ),
    );
    return EXIT.done;
  },
});
