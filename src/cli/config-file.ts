/** Which configuration file a command reads: `--config`, then `POSTERN_CONFIG`, then the place it has on a server. */
import { existsSync } from 'node:fs';

const DEFAULT_FILE = {
  gateway: '/etc/postern/gateway.yaml',
  connector: '/etc/postern/config.yml',
} as const;

/** The option `--config` of both programs. */
export const CONFIG_OPTION = {
  gateway: {
    type: 'string',
    requiresArg: true,
    describe: `Configuration of the gateway [POSTERN_CONFIG, ${DEFAULT_FILE.gateway}]`,
  },
  connector: {
    type: 'string',
    requiresArg: true,
    describe: `Configuration of the connector [POSTERN_CONFIG, ${DEFAULT_FILE.connector}]`,
  },
} as const;

/** The gateway's file. It may not exist: reading it says so. */
export function gatewayConfigFile(flag: string | undefined): string {
  return flag ?? fromEnvironment() ?? DEFAULT_FILE.gateway;
}

/** The connector's file; undefined when none is named and there is none in its usual place: it can do without. */
export function connectorConfigFile(flag: string | undefined): string | undefined {
  const named = flag ?? fromEnvironment();
  if (named !== undefined) return named;
  return existsSync(DEFAULT_FILE.connector) ? DEFAULT_FILE.connector : undefined;
}

function fromEnvironment(): string | undefined {
  const file = process.env['POSTERN_CONFIG'];
  return file === '' ? undefined : file;
}
