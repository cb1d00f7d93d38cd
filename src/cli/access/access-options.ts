/**
 * The options that all `access` commands share: what to reach, through which gateway, and what to trust.
 */
import { readFile } from 'node:fs/promises';
import type { Options } from 'yargs';
import { parseGatewayUrl } from '../../config/gateway-url.ts';
import { parseHostname } from '../../config/hostname-pattern.ts';
import { messageOf, PosternError } from '../../core/error.ts';
import { LOG_LEVELS } from '../../config/log-config.ts';

const textOption = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

export const HOSTNAME_OPTION = {
  hostname: textOption('Hostname of the application, such as db.example.com'),
} as const satisfies Record<string, Options>;

export const GATEWAY_OPTIONS = {
  gateway: textOption('Address of the gateway [POSTERN_GATEWAY, https://HOSTNAME]'),
  ca: textOption('PEM file of an authority to trust for the gateway [POSTERN_CA]'),
} as const satisfies Record<string, Options>;

export const CLIENT_LOG_OPTION = {
  'log-level': {
    choices: LOG_LEVELS,
    default: 'fatal',
    describe: 'How much of what the link does is written to stderr',
  },
} as const satisfies Record<string, Options>;

/** Where and whom to dial. */
export interface GatewayAddress {
  /** Origin, such as `https://gateway.example.com:8443`. */
  readonly gateway: string;
  /** Whether somebody named it; else it is the application's own address. */
  readonly isNamed: boolean;
  /** PEM text. */
  readonly ca?: string | undefined;
  /** The file of `ca`. */
  readonly caFile?: string | undefined;
}

/** The hostname in normal form. Throws CLI_USAGE. */
export function hostnameArgument(hostname: string | undefined): string {
  if (hostname === undefined) {
    throw new PosternError('CLI_USAGE', 'Cannot tell what to reach: name it with --hostname');
  }
  try {
    return parseHostname(hostname);
  } catch (cause) {
    const message = `Cannot use --hostname "${hostname}": ${messageOf(cause)}`;
    throw new PosternError('CLI_USAGE', message, { cause });
  }
}

/** The gateway of the options, else of the environment, else the hostname itself. Throws CLI_USAGE, CONFIG_UNREADABLE. */
export async function gatewayArgument(
  args: { readonly gateway?: string | undefined; readonly ca?: string | undefined },
  hostname?: string,
): Promise<GatewayAddress> {
  const named = args.gateway ?? fromEnvironment('POSTERN_GATEWAY');
  const url = named ?? (hostname === undefined ? undefined : `https://${hostname}`);
  if (url === undefined) {
    throw new PosternError('CLI_USAGE', 'Cannot tell which gateway: name it with --gateway');
  }
  const caFile = args.ca ?? fromEnvironment('POSTERN_CA');
  return {
    gateway: originOf(url),
    isNamed: named !== undefined,
    ...(caFile !== undefined && { ca: await readCa(caFile), caFile }),
  };
}

function originOf(url: string): string {
  try {
    return parseGatewayUrl(url);
  } catch (cause) {
    const message = `Cannot use the address of the gateway: it ${messageOf(cause)}`;
    throw new PosternError('CLI_USAGE', message, { cause });
  }
}

async function readCa(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const message = `Cannot read the authority file "${file}": ${messageOf(cause)}`;
    throw new PosternError('CONFIG_UNREADABLE', message, { cause });
  }
}

function fromEnvironment(name: string): string | undefined {
  const text = process.env[name];
  return text === '' ? undefined : text;
}
