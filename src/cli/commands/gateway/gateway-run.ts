/** `postern gateway run`: the gateway, until a signal or `gateway drain` ends it. */
import { defineCommand } from '../../command.ts';
import { GATEWAY_OPTIONS } from '../../gateway/gateway-options.ts';
import { superviseGateway } from '../../gateway/supervise-gateway.ts';

export const gatewayRun = defineCommand({
  positionals: {},
  options: GATEWAY_OPTIONS,
  async run(args) {
    return superviseGateway(['gateway', 'worker', ...wordsOf(args)]);
  },
});

/** The options again, for the workers: each reads them for itself, as the program on disk understands them then. */
function wordsOf(args: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(GATEWAY_OPTIONS).flatMap((name) => {
    const value = args[name];
    const isSet = typeof value === 'string' || typeof value === 'boolean';
    return isSet ? [`--${name}=${value}`] : [];
  });
}
