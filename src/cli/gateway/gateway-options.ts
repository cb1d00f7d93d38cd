/**
 * The options of `gateway run` and `gateway validate`: one for every setting that has an environment variable, named
 * like it. They win over the environment and the file. Apart from what reads a configuration, which a supervisor does not.
 */
import type { Options } from 'yargs';
import { CONFIG_WATCHES } from '../../config/config-watches.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../../config/log-config.ts';
import { CONFIG_OPTION } from '../config-file.ts';

const textOption = (describe: string) => ({ type: 'string', requiresArg: true, describe }) as const;

/** Options that say what is logged. */
export const LOG_OPTIONS = {
  'log-level': { choices: LOG_LEVELS, requiresArg: true, describe: 'The least level to log' },
  'log-format': { choices: LOG_FORMATS, requiresArg: true, describe: 'Form of the log' },
} as const satisfies Record<string, Options>;

/** The option that says what becomes of files that change. */
export const CONFIG_WATCH_OPTION = {
  choices: CONFIG_WATCHES,
  requiresArg: true,
  describe: 'Which changes of its files come into force by themselves',
} as const satisfies Options;

/** Options that a gateway's configuration is made of. */
export const GATEWAY_OPTIONS = {
  config: CONFIG_OPTION.gateway,
  domain: textOption('Domain of the gateway; sign-in is on auth.<domain>'),
  'data-dir': textOption('Folder of the database, keys and admin socket'),
  'listen-https': textOption('Address for users and connectors'),
  'listen-http': textOption('Address that redirects to https, or serves with --plaintext'),
  'listen-metrics': textOption('Address for /metrics and /ready'),
  plaintext: { type: 'boolean', describe: 'Serve plain HTTP, behind a TLS proxy or for trials' },
  'tls-cert': textOption('PEM file with the certificate chain'),
  'tls-key': textOption('PEM file with the private key'),
  'grace-period': textOption('How long a drain may take, such as 30s'),
  'resume-timeout': textOption('How long streams of a connector that is away are kept'),
  'external-port': textOption('Port of https that users see, behind a load balancer'),
  'default-policy': textOption('What happens to hostnames without an application: deny or public'),
  'session-duration': textOption('How long a sign-in lasts, such as 24h'),
  'client-session-duration': textOption('How long "postern access login" lasts'),
  'signing-key-rotation': textOption('How often the keys of tokens are replaced'),
  'country-database': textOption('MaxMind database file with countries'),
  'client-ca': textOption('PEM file of the authorities of client certificates'),
  'config-watch': CONFIG_WATCH_OPTION,
  ...LOG_OPTIONS,
} as const satisfies Record<string, Options>;
