/**
 * The options of `tunnel run` and the configuration they make, with the environment and the file. One for every setting
 * that has an environment variable, named like it.
 */
import type { Options } from 'yargs';
import {
  loadConnectorConfig,
  type ConnectorConfig,
} from '../../config/connector/connector-config.ts';
import { CONNECTOR_ENVIRONMENT } from '../../config/connector/connector-schema.ts';
import { parseListenAddress, type ListenAddress } from '../../config/listen-address.ts';
import { PosternError } from '../../core/error.ts';
import { CONFIG_OPTION, connectorConfigFile } from '../config-file.ts';
import { flagsOf } from '../flags-of.ts';
import { readTokenFile } from './connector-token.ts';
import { CONFIG_WATCH_OPTION, LOG_OPTIONS } from '../gateway/gateway-options.ts';

const textOption = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

/** Options that a connector's configuration is made of. The tunnel is an argument. */
export const CONNECTOR_OPTIONS = {
  config: CONFIG_OPTION.connector,
  gateway: {
    type: 'string',
    array: true,
    nargs: 1,
    describe: 'Address of a gateway, such as https://gw.example.com; may be repeated',
  },
  ca: textOption('PEM file of an authority to trust for the gateway'),
  'token-file': textOption(
    'File with the token, or with what "tunnel create -o json" printed; else POSTERN_TOKEN',
  ),
  // Known, so that it can be refused with the reason.
  token: { type: 'string', hidden: true },
  url: textOption('Service to serve when the file has no ingress'),
  metrics: textOption('Address for /ready and /metrics'),
  'grace-period': textOption('How long a drain may take, such as 30s'),
  links: textOption('Links to keep to the gateways'),
  'config-watch': CONFIG_WATCH_OPTION,
  ...LOG_OPTIONS,
} as const satisfies Record<string, Options>;

/** The options as they were parsed, with the tunnel. */
export interface ConnectorArgs extends Readonly<Record<string, unknown>> {
  readonly config: string | undefined;
  readonly tunnel?: string | undefined;
  readonly 'token-file': string | undefined;
  readonly token: string | undefined;
}

/**
 * The configuration that the options, the environment and the file make. Throws CONFIG_*; REGISTER_REFUSED when the token
 * file holds no token; CLI_USAGE for a token among the arguments.
 */
export async function configOfConnector(args: ConnectorArgs): Promise<ConnectorConfig> {
  if (args.token !== undefined) throw tokenAmongArguments();
  // First, because what is no token is told apart from other mistakes in the configuration.
  if (args['token-file'] !== undefined) await readTokenFile(args['token-file']);
  return loadConnectorConfig(connectorConfigFile(args.config), {
    flags: flagsOf(CONNECTOR_ENVIRONMENT, args),
  });
}

function tokenAmongArguments(): PosternError {
  const reason = 'every user of this machine can read arguments, in ps';
  const remedy = 'put it into a file and use --token-file, or set POSTERN_TOKEN';
  return new PosternError('CLI_USAGE', `Cannot take a token from --token: ${reason}; ${remedy}`);
}

/** The address of the operators' server: option, then environment, then file. Throws CONFIG_*, CLI_USAGE when there is none. */
export async function connectorMetricsAddress(args: {
  readonly metrics: string | undefined;
  readonly config: string | undefined;
}): Promise<ListenAddress> {
  const text = args.metrics ?? process.env['POSTERN_METRICS'] ?? '';
  if (text !== '') {
    const address = parseListenAddress(text);
    if (address !== undefined) return address;
    throw new PosternError('CLI_USAGE', `Cannot read "${text}": write it like 127.0.0.1:2000`);
  }
  const file = connectorConfigFile(args.config);
  const address = file === undefined ? undefined : (await loadConnectorConfig(file)).metrics;
  if (address !== undefined) return address;
  const remedy = 'name it with --metrics, or set "metrics" in the file';
  throw new PosternError('CLI_USAGE', `Cannot find the connector: no metrics address; ${remedy}`);
}
