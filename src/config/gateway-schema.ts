/**
 * The gateway's file as it is written: every key with its kind and its default, which stands here and nowhere else.
 *
 * Checks between keys, and everything that touches a file, are in gateway-config.ts. docs/config.md lists the same
 * keys and defaults; a test compares them both ways.
 */
import { isIPv4 } from 'node:net';
import type { z } from 'zod';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { accessGroupSchema } from './access/access-group.ts';
import { applicationSchema } from './access/application.ts';
import type { EnvironmentKeys } from './config-source.ts';
import { CONFIG_WATCHES } from './config-watches.ts';
import {
  duration,
  flag,
  list,
  listenAddress,
  mapping,
  oneOf,
  parsed,
  share,
  show,
  text,
  wholeNumber,
  withoutUser,
} from './field.ts';
import { parseHostname } from './hostname-pattern.ts';
import { httpLimitsSchema } from './http-limits.ts';
import { identityProviderSchema } from './access/identity-provider.ts';
import { LOG_FORMATS, LOG_LEVELS } from './log-config.ts';
import { SESSION_RANGE } from './access/policy.ts';
import { networks, proxyProtocol, tcpListenerSchema } from './tcp-listener.ts';

const tlsFiles = mapping({
  cert: text('the name of a PEM file'),
  key: text('the name of a PEM file'),
});

/** The whole file. */
export const gatewaySchema = mapping({
  domain: parsed('a domain such as example.com', parseDomain),
  'data-dir': text('the name of a folder').default('./data'),
  listen: mapping(
    {
      https: listenAddress().optional(),
      http: listenAddress().optional(),
      metrics: listenAddress().optional(),
      'proxy-protocol': proxyProtocol(),
    },
    'a mapping such as { https: ":8443" }',
  ),
  'trusted-proxies': networks().default([]),
  plaintext: flag().default(false),
  tls: tlsFiles.optional(),
  'grace-period': duration({ most: Number.MAX_SAFE_INTEGER }).prefault('30s'),
  'resume-timeout': duration().prefault('30s'),
  http: httpLimitsSchema.prefault({}),
  tcp: list(tcpListenerSchema).default([]),
  'external-port': wholeNumber(1, 65_535).optional(),
  'default-policy': oneOf(['deny', 'public']).default('deny'),
  'session-duration': duration(SESSION_RANGE).prefault('24h'),
  'client-session-duration': duration(SESSION_RANGE).prefault('24h'),
  'signing-key-rotation': duration({ least: 3_600_000, most: 365 * 86_400_000 }).prefault('30d'),
  'country-database': text('the name of a MaxMind database file').optional(),
  'client-ca': text('the name of a PEM file').optional(),
  'identity-providers': list(identityProviderSchema).default([]),
  groups: list(accessGroupSchema)
    .max(LIMITS.accessGroups, { error: `has more than ${LIMITS.accessGroups} entries; merge some` })
    .default([]),
  applications: list(applicationSchema).default([]),
  tracing: mapping({
    'otlp-endpoint': parsed('a URL such as http://127.0.0.1:4318', parseEndpoint),
    sample: share().default(1),
  }).optional(),
  'config-watch': oneOf(CONFIG_WATCHES).default('all'),
  log: mapping({
    level: oneOf(LOG_LEVELS).default('info'),
    format: oneOf(LOG_FORMATS).default('auto'),
  }).prefault({}),
});

/** What was written, defaults filled in, file names as they are. */
export type WrittenGatewayConfig = z.output<typeof gatewaySchema>;

/** The environment variables of the gateway. */
export const GATEWAY_ENVIRONMENT: EnvironmentKeys = {
  POSTERN_DOMAIN: 'domain',
  POSTERN_DATA_DIR: 'data-dir',
  POSTERN_LISTEN_HTTPS: 'listen.https',
  POSTERN_LISTEN_HTTP: 'listen.http',
  POSTERN_LISTEN_METRICS: 'listen.metrics',
  POSTERN_PLAINTEXT: 'plaintext',
  POSTERN_TLS_CERT: 'tls.cert',
  POSTERN_TLS_KEY: 'tls.key',
  POSTERN_GRACE_PERIOD: 'grace-period',
  POSTERN_RESUME_TIMEOUT: 'resume-timeout',
  POSTERN_EXTERNAL_PORT: 'external-port',
  POSTERN_DEFAULT_POLICY: 'default-policy',
  POSTERN_SESSION_DURATION: 'session-duration',
  POSTERN_CLIENT_SESSION_DURATION: 'client-session-duration',
  POSTERN_SIGNING_KEY_ROTATION: 'signing-key-rotation',
  POSTERN_COUNTRY_DATABASE: 'country-database',
  POSTERN_CLIENT_CA: 'client-ca',
  POSTERN_OTLP_ENDPOINT: 'tracing.otlp-endpoint',
  POSTERN_CONFIG_WATCH: 'config-watch',
  POSTERN_LOG_LEVEL: 'log.level',
  POSTERN_LOG_FORMAT: 'log.format',
};

/** The base address of a collector. It goes to the log, so no user may be in it. */
function parseEndpoint(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isPlain =
    url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain && /^https?:$/.test(url.protocol)) return url.href.replace(/\/$/, '');
  const rule = 'write http or https, host and port, such as http://127.0.0.1:4318';
  const found = show(withoutUser(address));
  throw new PosternError('CONFIG_INVALID', `${found} is not the address of a collector; ${rule}`);
}

function parseDomain(name: string): string {
  const domain = parseHostname(name);
  if (!isIPv4(domain)) return domain;
  const message = `"${name}" is an address; write a name, because sign-in is on auth.<domain>`;
  throw new PosternError('CONFIG_INVALID', message);
}
