/** `postern gateway run`: the gateway, until a signal or `gateway drain` ends it. */
import { createLog } from '../../telemetry/log.ts';
import { defineCommand } from '../command.ts';
import { Deferred } from '../deferred.ts';
import { GATEWAY_OPTIONS, configOfGateway } from '../gateway-options.ts';
import { GatewayProcess } from '../gateway-process.ts';
import { runLong } from '../long-running.ts';

export const gatewayRun = defineCommand({
  usage: 'run',
  summary: 'Run the gateway until SIGTERM, SIGINT or "gateway drain"',
  positionals: {},
  options: GATEWAY_OPTIONS,
  async run(args) {
    const config = await configOfGateway(args);
    const log = createLog({ ...config.log, component: 'gateway' });
    const asked = new Deferred<string>();
    const drained = new Deferred<number>();
    const onDrainAsked = async (): Promise<number> => {
      asked.resolve('gateway drain');
      return drained.promise;
    };
    return runLong({
      log,
      graceMs: config.gracePeriodMs,
      asked: asked.promise,
      start: async () => GatewayProcess.start({ config, log, onDrainAsked }),
      onDrained: (cut) => drained.resolve(cut),
    });
  },
});
