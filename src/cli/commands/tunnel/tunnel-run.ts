/** `postern tunnel run`: a connector, until a signal ends it. */
import { SdNotify } from '../../../supervisor/sd-notify.ts';
import { createLog, type Log } from '../../../telemetry/log.ts';
import { defineCommand } from '../../command.ts';
import { CONNECTOR_OPTIONS, configOfConnector } from '../../connector/connector-options.ts';
import { ConnectorRun, reloadOnHangUp } from '../../connector/connector-run.ts';
import { findCredentials } from '../../connector/connector-token.ts';
import { Predecessor } from '../../connector/predecessor.ts';
import { Deferred } from '../../deferred.ts';
import { runLong } from '../../long-running.ts';
import { StopSignals } from '../../stop-signals.ts';

export const tunnelRun = defineCommand({
  positionals: {
    tunnel: { type: 'string', describe: 'Name or id; must be the one the token is for' },
  },
  options: CONNECTOR_OPTIONS,
  async run(args) {
    const predecessor = Predecessor.find();
    const running = new Deferred<ConnectorRun>();
    let log: Log | undefined;
    reloadOnHangUp(
      () => log,
      async () => (await running.promise).reload(),
    );
    try {
      const config = await configOfConnector(args);
      const credentials = await findCredentials({ tokenFile: args['token-file'], config });
      const connectorLog = (log = createLog({ ...config.log, component: 'connector' }));
      const signals = new StopSignals(undefined, { hasParent: predecessor !== undefined });
      return await runLong({
        log: connectorLog,
        graceMs: config.gracePeriodMs,
        signals,
        start: async () => {
          const notify = new SdNotify();
          const run = await ConnectorRun.start({
            config,
            credentials,
            log: connectorLog,
            signals,
            notify,
            predecessor,
            load: async () => configOfConnector(args),
          });
          running.resolve(run);
          return run;
        },
      });
    } catch (error) {
      await predecessor?.failed(error);
      predecessor?.release();
      throw error;
    }
  },
});
