/**
 * The connector's configuration file: cloudflared's, plus `gateway:` and `ca:`. design.md §5 and docs/config.md.
 *
 * What comes out is complete: defaults filled in, durations in ms, paths absolute, every file it names readable.
 * No key of cloudflared is silently ignored: each is honoured, refused, or documented as meaningless.
 */
import { resolve } from 'node:path';
import type { ErrorCode } from '../../core/error-codes.ts';
import { messageOf } from '../../core/error.ts';
import { isId } from '../../core/id.ts';
import { parseTunnelToken } from '../../core/tunnel-token.ts';
import { ConfigSource } from '../config-source.ts';
import type { Overrides } from '../config-source.ts';
import type { ConfigWatchKind } from '../config-watches.ts';
import { CONNECTOR_ENVIRONMENT, connectorSchema } from './connector-schema.ts';
import type { WrittenConnectorConfig } from './connector-schema.ts';
import { parseCredentials } from './credentials-file.ts';
import type { Credentials } from './credentials-file.ts';
import { resolveIngress } from './ingress-list.ts';
import type { IngressRule } from './ingress-rule.ts';
import type { ListenAddress } from '../listen-address.ts';
import type { LogConfig } from '../log-config.ts';
import { checkCaFile } from '../pem-file.ts';
import { readTextFile } from '../read-text-file.ts';
import { readFrom } from '../value-place.ts';
import { readYamlFile } from '../yaml-file.ts';

/** The connector's configuration, resolved. */
export interface ConnectorConfig {
  /** Absolute path of the file this was read from; absent when everything came from flags and environment. */
  readonly file?: string | undefined;
  /** Name or id of the tunnel, as written. The token says which tunnel it is; this must agree. */
  readonly tunnel?: string | undefined;
  /** Read it with `readCredentials`. */
  readonly credentialsFile?: string | undefined;
  /** Origins such as `https://gateway.example.com:8443`; at least one, no duplicates. */
  readonly gateways: readonly string[];
  /** A PEM file of authorities trusted for the gateways, beside the system's. */
  readonly caFile?: string | undefined;
  /** At least one rule; the last one matches everything. */
  readonly ingress: readonly IngressRule[];
  /** Where `/ready` and `/metrics` answer. Absent: nowhere. */
  readonly metrics?: ListenAddress | undefined;
  readonly gracePeriodMs: number;
  /** How long the process that was taken over from may finish its streams. Absent: as long as they take. */
  readonly reloadGraceMs?: number;
  /** Links kept at the same time, spread over the gateways. */
  readonly linkCount: number;
  /** What becomes of files that change. */
  readonly configWatch: ConfigWatchKind;
  readonly log: LogConfig;
}

/**
 * Reads, checks and completes the connector's file; without one, everything comes from flags and the environment.
 * Throws CONFIG_* with one line that names the place, the key, what is wrong and what to do.
 */
export async function loadConnectorConfig(
  file: string | undefined,
  overrides: Overrides = {},
): Promise<ConnectorConfig> {
  const yaml = file === undefined ? undefined : await readYamlFile(file);
  const source = new ConfigSource(yaml, CONNECTOR_ENVIRONMENT, overrides);
  const written = source.parse(connectorSchema);
  return readFrom(source, {
    file: file === undefined ? undefined : resolve(file),
    tunnel: written.tunnel,
    credentialsFile: await checkCredentials(source, written),
    gateways: written.gateway,
    caFile: written.ca === undefined ? undefined : await checkCaFile(source, ['ca'], written.ca),
    ingress: await resolveIngress(source, written),
    metrics: written.metrics,
    gracePeriodMs: written['grace-period'],
    ...(source.isSet('grace-period') && { reloadGraceMs: written['grace-period'] }),
    linkCount: written['ha-connections'],
    configWatch: written['config-watch'],
    log: {
      level: written.loglevel,
      format: written.output === 'default' ? 'auto' : written.output,
    },
  });
}

async function checkCredentials(
  source: ConfigSource,
  written: WrittenConnectorConfig,
): Promise<string | undefined> {
  const key = written['token-file'] === undefined ? 'credentials-file' : 'token-file';
  const name = written[key];
  if (name === undefined) return undefined;
  const hasBoth = key === 'token-file' && written['credentials-file'] !== undefined;
  if (hasBoth && !source.isOverridden(key)) {
    const text = 'says the same as credentials-file; keep one of them';
    throw source.problem('CONFIG_INVALID', [key], text);
  }
  const file = source.resolveFile([key], name);
  const credentials = await readNamedCredentials(source, key, { file, name });
  checkTunnel(source, written.tunnel, credentials);
  return file;
}

async function readNamedCredentials(
  source: ConfigSource,
  key: string,
  { file, name }: { readonly file: string; readonly name: string },
): Promise<Credentials> {
  const fail = (code: ErrorCode, cause: unknown, remedy: string) => {
    // Some put the token where its file belongs, and a token is never printed: nor is the system's error, which has it.
    if (parseTunnelToken(name) !== undefined) {
      const text = 'is a token; put it into a file of mode 0600, and that name here';
      return source.problem('CONFIG_INVALID', [key], text);
    }
    return source.problem(code, [key], `file "${name}" ${messageOf(cause)}${remedy}`, { cause });
  };
  let content: string;
  try {
    content = await readTextFile(file);
  } catch (cause) {
    throw fail('CONFIG_UNREADABLE', cause, '; correct the name or the permissions of the file');
  }
  try {
    return parseCredentials(content);
  } catch (cause) {
    throw fail('CONFIG_INVALID', cause, '');
  }
}

/** The token decides which tunnel this is; a file that says otherwise is somebody's mistake. */
function checkTunnel(
  source: ConfigSource,
  tunnel: string | undefined,
  { id, name }: Credentials,
): void {
  if (tunnel === undefined || tunnel === id || tunnel === name) return;
  if (name === undefined && !isId(tunnel)) return;
  const own = name === undefined ? id : `"${name}" (${id})`;
  const text = `"${tunnel}" is not the tunnel of the credentials, which is ${own}`;
  throw source.problem('CONFIG_INVALID', ['tunnel'], `${text}; correct one of them`);
}
