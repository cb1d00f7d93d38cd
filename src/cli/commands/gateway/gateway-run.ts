/** `postern gateway run`: the gateway, until a signal or `gateway drain` ends it. */
import { createLog } from '../../../telemetry/log.ts';
import { defineCommand } from '../../command.ts';
import { DrainRequest } from '../../gateway/drain-request.ts';
import { GATEWAY_OPTIONS, configOfGateway } from '../../gateway/gateway-options.ts';
import { GatewayProcess } from '../../gateway/gateway-process.ts';
import { runLong } from '../../long-running.ts';

export const gatewayRun = defineCommand({
  positionals: {},
  options: GATEWAY_OPTIONS,
  async run(args) {
    const config = await configOfGateway(args);
    const log = createLog({ ...config.log, component: 'gateway' });
    for (const warning of config.warnings) log.warn(warning);
    const drain = new DrainRequest();
    return runLong({
      log,
      graceMs: config.gracePeriodMs,
      asked: drain.asked,
      start: async () =>
        GatewayProcess.start({
          config,
          log,
          load: async () => configOfGateway(args),
          onDrainAsked: async () => drain.ask(),
        }),
      onDrained: (cut) => drain.done(cut),
    });
  },
});
