/** `postern gateway worker`: what a supervisor starts and `gateway run` consists of. Not for people. */
import { defineCommand } from '../../command.ts';
import { GATEWAY_OPTIONS } from '../../gateway/gateway-options.ts';
import { runGatewayWorker } from '../../gateway/run-gateway-worker.ts';

export const gatewayWorker = defineCommand({
  positionals: {},
  options: GATEWAY_OPTIONS,
  run: async (args) => runGatewayWorker(args),
});
