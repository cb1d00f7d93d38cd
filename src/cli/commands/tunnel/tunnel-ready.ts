/** `postern tunnel ready`: asks a connector's /ready, for probes in images without curl. */
import { defineCommand } from '../../command.ts';
import { connectorMetricsAddress } from '../../connector/connector-options.ts';
import { CONFIG_OPTION } from '../../config-file.ts';
import { EXIT } from '../../exit-code.ts';
import { OUTPUT_OPTION, printResult } from '../../output.ts';
import { askReadiness } from '../../connector/readiness-probe.ts';

export const tunnelReady = defineCommand({
  positionals: {},
  options: {
    metrics: {
      type: 'string',
      requiresArg: true,
      describe: 'The metrics address of the connector',
    },
    config: CONFIG_OPTION.connector,
    ...OUTPUT_OPTION,
  },
  async run({ metrics, config, output }) {
    const address = await connectorMetricsAddress({ metrics, config });
    const answer = await askReadiness(address);
    printResult(output, answer, () => ['The connector is ready.']);
    return EXIT.done;
  },
});
