/** `postern tunnel run`: a connector, until a signal ends it. */
import { messageOf } from '../../../core/error.ts';
import { FIELD } from '../../../telemetry/log-field.ts';
import { createLog, type Log } from '../../../telemetry/log.ts';
import { defineCommand } from '../../command.ts';
import { CONNECTOR_OPTIONS, configOfConnector } from '../../connector/connector-options.ts';
import { ConnectorRun } from '../../connector/connector-run.ts';
import { findCredentials } from '../../connector/connector-token.ts';
import { Predecessor } from '../../connector/hand-over/predecessor.ts';
import { RunPlace } from '../../connector/hand-over/run-place.ts';
import { ServiceNotices } from '../../connector/service-notices.ts';
import { Deferred } from '../../deferred.ts';
import { HangUp } from '../../hang-up.ts';
import { runLong } from '../../long-running.ts';
import { StopSignals } from '../../stop-signals.ts';

export const tunnelRun = defineCommand({
  positionals: {
    tunnel: { type: 'string', describe: 'Name or id; must be the one the token is for' },
  },
  options: CONNECTOR_OPTIONS,
  async run(args) {
    const predecessor = Predecessor.find();
    const signals = new StopSignals(undefined, { hasParent: predecessor !== undefined });
    const running = new Deferred<{ readonly run: ConnectorRun; readonly log: Log }>();
    const hangUp = new HangUp({
      reload: () => void running.promise.then(reload),
      onTerminalGone: () => signals.drain('the terminal is gone'),
    });
    try {
      const config = await configOfConnector(args);
      const credentials = await findCredentials({ tokenFile: args['token-file'], config });
      const log = createLog({ ...config.log, component: 'connector' });
      const exitCode = await runLong({
        log,
        graceMs: config.gracePeriodMs,
        signals,
        start: async () => {
          const run = await ConnectorRun.start({
            config,
            credentials,
            log,
            signals,
            notices: new ServiceNotices(log),
            place: await RunPlace.open(log, credentials.id),
            predecessor,
            load: async () => configOfConnector(args),
          });
          running.resolve({ run, log });
          return run;
        },
      });
      // What was logged last has been written then.
      setImmediate(() => hangUp.endWithTerminal());
      return exitCode;
    } catch (error) {
      signals.release();
      await predecessor?.failed(error);
      predecessor?.release();
      throw error;
    }
  },
});

/** What becomes of it is in the log. */
async function reload({
  run,
  log,
}: {
  readonly run: ConnectorRun;
  readonly log: Log;
}): Promise<void> {
  await run.reload().catch((error: unknown) => {
    log.warn({ [FIELD.reason]: messageOf(error) }, 'SIGHUP: not reloaded');
  });
}
