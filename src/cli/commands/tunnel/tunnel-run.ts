/** `postern tunnel run`: a connector, until a signal ends it. */
import { systemClock } from '../../../core/clock.ts';
import { createLog } from '../../../telemetry/log.ts';
import { defineCommand } from '../../command.ts';
import { CONNECTOR_OPTIONS, configOfConnector } from '../../connector/connector-options.ts';
import { ConnectorProcess } from '../../connector/connector-process.ts';
import { findCredentials } from '../../connector/connector-token.ts';
import { runLong } from '../../long-running.ts';
import { watchConfig } from '../../connector/watch-config.ts';

export const tunnelRun = defineCommand({
  positionals: {
    tunnel: { type: 'string', describe: 'Name or id; must be the one the token is for' },
  },
  options: CONNECTOR_OPTIONS,
  async run(args) {
    const config = await configOfConnector(args);
    const credentials = await findCredentials({ tokenFile: args['token-file'], config });
    const log = createLog({ ...config.log, component: 'connector' });
    return runLong({
      log,
      graceMs: config.gracePeriodMs,
      start: async () => {
        const connector = await ConnectorProcess.start({ config, credentials, log });
        const watch = watchConfig({
          config,
          clock: systemClock,
          log,
          load: async () => configOfConnector(args),
          apply: (rules) => connector.replica.setRules(rules),
        });
        return {
          drain: async (graceMs) => connector.drain(graceMs),
          stop: async () => connector.stop(),
          release: async () => {
            watch.cancel();
            await connector.release();
          },
        };
      },
    });
  },
});
