/**
 * The connector's file as it is written: every key with its kind and its default, which stands here and nowhere else.
 *
 * Keys that cloudflared has and this connector does not are in cloudflared-keys.ts. docs/config.md lists the same keys
 * and defaults; a test compares them both ways.
 */
import { z } from 'zod';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { cloudflaredOnlyFields } from './cloudflared-keys.ts';
import type { EnvironmentKeys } from './config-source.ts';
import {
  durationOrSeconds,
  expected,
  listenAddress,
  mapping,
  oneOf,
  parsed,
  show,
  text,
  wholeNumber,
} from './field.ts';
import { ingressSchema, serviceField } from './ingress-list.ts';
import { LOG_FORMATS, LOG_LEVELS } from './log-config.ts';
import { originRequestSchema } from './origin-request.ts';

const gatewayUrl = parsed('an address such as https://gateway.example.com', parseGatewayUrl);

/** One address, several in a list, or several in one text with commas, as an environment variable has them. */
const gatewayList = z.preprocess(
  (written) => (typeof written === 'string' ? written.split(/[\s,]+/).filter(Boolean) : written),
  z
    .array(gatewayUrl, { error: expected('an address such as https://gateway.example.com') })
    .min(1, { error: 'is empty; name a gateway such as https://gateway.example.com' })
    .max(16, { error: 'names more than 16 gateways; a connector spreads its links over few' }),
);

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
  'grace-period': durationOrSeconds().prefault('30s'),
  'ha-connections': wholeNumber(1, LIMITS.linksPerReplica).default(4),
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
  POSTERN_LOG_LEVEL: 'loglevel',
  POSTERN_LOG_FORMAT: 'output',
};

function parseGatewayUrl(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isOrigin = url !== undefined && `${url.pathname}${url.search}${url.hash}` === '/';
  const isPlain = url?.username === '' && url.password === '';
  if (isOrigin && isPlain && /^https?:$/.test(url.protocol)) return url.origin;
  const message = `${show(address)} is not the address of a gateway`;
  const remedy = 'write it as https://gateway.example.com:8443, without a path';
  throw new PosternError('CONFIG_INVALID', `${message}; ${remedy}`);
}
