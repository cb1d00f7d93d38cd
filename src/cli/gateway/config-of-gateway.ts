/** The configuration of a gateway, from the options of its command, the environment and its file. */
import { runPolicyTests } from '../../access/policy/run-tests.ts';
import { loadGatewayConfig, type GatewayConfig } from '../../config/gateway-config.ts';
import { GATEWAY_ENVIRONMENT } from '../../config/gateway-schema.ts';
import { gatewayConfigFile } from '../config-file.ts';
import { flagsOf } from '../flags-of.ts';

/** Options of GATEWAY_OPTIONS as they were parsed. */
export type GatewayArgs = { readonly config: string | undefined } & Readonly<
  Record<string, unknown>
>;

/** The configuration with its tests passed; `text` stands for what is in the file. Throws CONFIG_*. */
export async function configOfGateway(
  { config, ...args }: GatewayArgs,
  text?: string,
): Promise<GatewayConfig> {
  const overrides = { flags: flagsOf(GATEWAY_ENVIRONMENT, args) };
  const loaded = await loadGatewayConfig(gatewayConfigFile(config), overrides, text);
  runPolicyTests(loaded);
  return loaded;
}
