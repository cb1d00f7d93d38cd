/**
 * The connector's file as it is written: every key with its kind and its default, which stands here and nowhere else.
 *
 * Keys that cloudflared has and this connector does not are in cloudflared-keys.ts. docs/config.md lists the same keys
 * and defaults; a test compares them both ways.
 */
import { z } from 'zod';
import { LIMITS } from '../../core/limits.ts';
import { cloudflaredOnlyFields } from './cloudflared-keys.ts';
import type { EnvironmentKeys } from '../config-source.ts';
import { CONFIG_WATCHES } from '../config-watches.ts';
import {
  durationOrSeconds,
  expected,
  listenAddress,
  mapping,
  oneOf,
  show,
  text,
  wholeNumber,
  withoutUser,
} from '../field.ts';
import { gatewayOrigin } from '../gateway-url.ts';
import { ingressSchema, serviceField } from './ingress-list.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../log-config.ts';
import { originRequestSchema } from './origin-request.ts';

const GATEWAY_EXAMPLE = 'https://gateway.example.com';
/** More could not have a link each. */
const MAX_GATEWAYS = LIMITS.linksPerReplica;

/** One address, several in a list, or several in one text with commas, as an environment variable has them. */
const gatewayList = z
  .union(
    [z.string(), z.array(z.string({ error: expected(`an address such as ${GATEWAY_EXAMPLE}`) }))],
    {
      error: expected(`an address such as ${GATEWAY_EXAMPLE}, or a list of them`),
    },
  )
  .transform((written, context): string[] => {
    const fail = (message: string, path: number[] = []): never[] => {
      context.issues.push({ code: 'custom', input: written, message, path });
      return z.NEVER;
    };
    const addresses =
      typeof written === 'string' ? written.split(/[\s,]+/).filter(Boolean) : written;
    if (addresses.length === 0) return fail(`is empty; name a gateway such as ${GATEWAY_EXAMPLE}`);
    if (addresses.length > MAX_GATEWAYS) {
      return fail(`has more than ${MAX_GATEWAYS} entries; a connector has that many links at most`);
    }
    const gateways = addresses.map(gatewayOrigin);
    const at = gateways.indexOf(undefined);
    if (at === -1) return [...new Set(gateways.filter((gateway) => gateway !== undefined))];
    const found = show(withoutUser(addresses[at] ?? ''));
    const problem = `must be ${GATEWAY_EXAMPLE} or the like, without path and user; found ${found}`;
    return fail(problem, typeof written === 'string' ? [] : [at]);
  });

/** The whole file. */
export const connectorSchema = mapping({
  ...cloudflaredOnlyFields(),
  gateway: gatewayList,
  ca: text('the name of a PEM file').optional(),
  tunnel: text('the name or id of a tunnel').optional(),
  'credentials-file': text('the name of a file').optional(),
  'token-file': text('the name of a file').optional(),
  ingress: ingressSchema.optional(),
  url: serviceField.optional(),
  originRequest: originRequestSchema.optional(),
  metrics: listenAddress().optional(),
  'grace-period': durationOrSeconds({ most: Number.MAX_SAFE_INTEGER }).prefault('30s'),
  'ha-connections': wholeNumber(1, LIMITS.linksPerReplica).prefault(4),
  'config-watch': oneOf(CONFIG_WATCHES).default('all'),
  loglevel: oneOf(LOG_LEVELS).default('info'),
  output: oneOf(['default', ...LOG_FORMATS]).default('default'),
});

/** What was written, defaults filled in, file names as they are. */
export type WrittenConnectorConfig = z.output<typeof connectorSchema>;

/** The environment variables of the connector. */
export const CONNECTOR_ENVIRONMENT: EnvironmentKeys = {
  POSTERN_GATEWAY: 'gateway',
  POSTERN_CA: 'ca',
  POSTERN_TUNNEL: 'tunnel',
  POSTERN_TOKEN_FILE: 'token-file',
  POSTERN_URL: 'url',
  POSTERN_METRICS: 'metrics',
  POSTERN_GRACE_PERIOD: 'grace-period',
  POSTERN_LINKS: 'ha-connections',
  POSTERN_CONFIG_WATCH: 'config-watch',
  POSTERN_LOG_LEVEL: 'loglevel',
  POSTERN_LOG_FORMAT: 'output',
};
