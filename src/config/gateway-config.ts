/**
 * The gateway's configuration file. design.md §10 and docs/config.md.
 *
 * What comes out is complete: defaults filled in, durations in ms, paths absolute, every file it names readable.
 * Reading it opens no socket and changes nothing.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { AccessGroup } from './access/access-group.ts';
import { checkAccessReferences } from './access/access-references.ts';
import type { IpRange } from './access/ip-range.ts';
import { bySpecificity } from './access/application.ts';
import type { Application } from './access/application.ts';
import { messageOf } from '../core/error.ts';
import { ConfigSource } from './config-source.ts';
import type { Overrides } from './config-source.ts';
import type { ConfigWatchKind } from './config-watches.ts';
import { GATEWAY_ENVIRONMENT, gatewaySchema } from './gateway-schema.ts';
import type { WrittenGatewayConfig } from './gateway-schema.ts';
import { resolveProviders } from './access/identity-files.ts';
import type { IdentityProvider } from './access/identity-provider.ts';
import { clashes, formatListenRange } from './listen-address.ts';
import type { ListenAddress, ListenRange } from './listen-address.ts';
import { type HttpLimits, resolveHttpLimits } from './http-limits.ts';
import type { LogConfig } from './log-config.ts';
import { checkCaFile, checkTlsFiles } from './pem-file.ts';
import type { TlsFiles } from './pem-file.ts';
import { checkReadable } from './read-text-file.ts';
import { resolveTcpListeners, type ProxyProtocol, type TcpListener } from './tcp-listener.ts';
import { readFrom } from './value-place.ts';
import { parseYaml, readConfigText, readYamlFile } from './yaml-file.ts';
import type { KeyPath } from './yaml-file.ts';

/** Where spans go. */
interface TracingConfig {
  /** Base address of an OTLP/HTTP collector. */
  readonly endpoint: string;
  /** The share of traces that is recorded, from 0 to 1. */
  readonly sample: number;
}

/** The gateway's configuration, resolved. */
export interface GatewayConfig {
  /** Absolute path of the file this was read from. */
  readonly file: string;
  /** Normal form; sign-in is on `auth.<domain>`. */
  readonly domain: string;
  /** Absolute; the database, keys and the admin socket live here. */
  readonly dataDir: string;
  readonly listen: {
    readonly https?: ListenAddress | undefined;
    /** Redirects to https; serves users and links itself when `plaintext` is true. */
    readonly http?: ListenAddress | undefined;
    readonly metrics?: ListenAddress | undefined;
  };
  /** Whether connections to https and http come from `trustedProxies` and begin with a PROXY header. */
  readonly proxyProtocol: ProxyProtocol;
  /** Who is believed about where connections and requests come from. */
  readonly trustedProxies: readonly IpRange[];
  readonly plaintext: boolean;
  /** Absent: the gateway makes a private CA and a certificate in `dataDir`. */
  readonly tls?: TlsFiles | undefined;
  readonly gracePeriodMs: number;
  /** How long the gateway keeps its end of a stream whose connector is away. */
  readonly resumeTimeoutMs: number;
  /** How much strangers may ask of the HTTP listeners. */
  readonly http: HttpLimits;
  readonly tcp: readonly TcpListener[];
  /** The port that users see, where it is not the one of `listen.https`. */
  readonly externalPort?: number | undefined;
  /** What happens to a hostname without an application. */
  readonly defaultPolicy: 'deny' | 'public';
  /** How long a sign-in in a browser lasts, at all applications together. */
  readonly sessionDurationMs: number;
  /** The same for `postern access login`. */
  readonly clientSessionDurationMs: number;
  readonly signingKeyRotationMs: number;
  /** Absolute; a MaxMind database with countries. */
  readonly countryDatabase?: string | undefined;
  /** Absolute; authorities of the certificates that users may show. */
  readonly clientCaFile?: string | undefined;
  readonly identityProviders: readonly IdentityProvider[];
  /** What `access-group` conditions refer to; free of circles. */
  readonly groups: readonly AccessGroup[];
  /** The most specific hostname, and then path, first: the first match is the right one. */
  readonly applications: readonly Application[];
  /** Absent: nothing is traced. */
  readonly tracing?: TracingConfig | undefined;
  /** What becomes of files that change. */
  readonly configWatch: ConfigWatchKind;
  readonly log: LogConfig;
  /** What an operator should be told, each `<file>:<line>: <key>: <text>`. */
  readonly warnings: readonly string[];
}

/**
 * Reads, checks and completes the gateway's file. Flags and the environment win over it; `content` stands for what is in it.
 * Throws CONFIG_* with one line that names the place, the key, what is wrong and what to do.
 */
export async function loadGatewayConfig(
  file: string,
  overrides: Overrides = {},
  content?: string,
): Promise<GatewayConfig> {
  const yaml = parseYaml(file, content ?? (await readConfigText(file)));
  const source = new ConfigSource(yaml, GATEWAY_ENVIRONMENT, overrides);
  const written = source.parse(gatewaySchema);
  checkListeners(source, written);
  checkProxies(source, written);
  checkDuplicates(source, written);
  const fail = (path: KeyPath, text: string) => source.problem('CONFIG_INVALID', path, text);
  checkAccessReferences(written, fail);
  const { providers, warnings } = await resolveProviders(source, written['identity-providers']);
  const { domain, plaintext, tracing, log } = written;
  const { 'proxy-protocol': proxyProtocol, ...listen } = written.listen;
  return readFrom(source, {
    file: resolve(file),
    domain,
    dataDir: source.resolveFile(['data-dir'], written['data-dir']),
    listen,
    proxyProtocol,
    trustedProxies: written['trusted-proxies'],
    plaintext,
    tls: await ownTls(source, written),
    gracePeriodMs: written['grace-period'],
    resumeTimeoutMs: written['resume-timeout'],
    tcp: await resolveTcpListeners(source, written.tcp),
    http: resolveHttpLimits(written.http, plaintext && written['trusted-proxies'].length === 0),
    externalPort: written['external-port'],
    defaultPolicy: written['default-policy'],
    sessionDurationMs: written['session-duration'],
    clientSessionDurationMs: written['client-session-duration'],
    signingKeyRotationMs: written['signing-key-rotation'],
    countryDatabase: await countryDatabase(source, written),
    clientCaFile: await clientCa(source, written),
    identityProviders: providers,
    groups: written.groups,
    applications: written.applications
      .map((application, index) => ({ ...application, index }))
      .toSorted(bySpecificity),
    warnings,
    tracing: tracing && { endpoint: tracing['otlp-endpoint'], sample: tracing.sample },
    configWatch: written['config-watch'],
    log,
  });
}

/**
 * The data directory that a gateway's file names, whatever else is wrong with it: enough to find a gateway that runs.
 * Throws CONFIG_*.
 */
export async function gatewayDataDir(file: string): Promise<string> {
  const keys = { POSTERN_DATA_DIR: 'data-dir' };
  const source = new ConfigSource(await readYamlFile(file), keys, {});
  const { 'data-dir': dataDir } = gatewaySchema.shape;
  const written = source.parse(z.looseObject({ 'data-dir': dataDir }));
  return source.resolveFile(['data-dir'], written['data-dir']);
}

async function ownTls(
  source: ConfigSource,
  { tls }: WrittenGatewayConfig,
): Promise<TlsFiles | undefined> {
  return tls === undefined ? undefined : checkTlsFiles(source, ['tls'], tls);
}

async function countryDatabase(
  source: ConfigSource,
  { 'country-database': name }: WrittenGatewayConfig,
): Promise<string | undefined> {
  if (name === undefined) return undefined;
  const file = source.resolveFile(['country-database'], name);
  try {
    await checkReadable(file);
    return file;
  } catch (cause) {
    const text = `file "${name}" ${messageOf(cause)}; correct the name or the file's permissions`;
    throw source.problem('CONFIG_UNREADABLE', ['country-database'], text, { cause });
  }
}

async function clientCa(
  source: ConfigSource,
  { 'client-ca': name }: WrittenGatewayConfig,
): Promise<string | undefined> {
  return name === undefined ? undefined : checkCaFile(source, ['client-ca'], name);
}

function checkListeners(source: ConfigSource, written: WrittenGatewayConfig): void {
  const { listen, plaintext, tcp } = written;
  const fail = (path: KeyPath, text: string) => source.problem('CONFIG_INVALID', path, text);
  if (listen.https === undefined && listen.http === undefined) {
    throw fail(['listen'], 'has neither https nor http; add https: ":8443"');
  }
  if (plaintext && listen.http === undefined) {
    throw fail(['plaintext'], 'is true but nothing listens on http; add listen.http or remove it');
  }
  if (listen.https === undefined && !plaintext) {
    const text = 'only redirects to https, where nothing listens; add listen.https';
    throw fail(['listen', 'http'], `${text}, or plaintext: true behind a TLS proxy`);
  }
  const seen: { key: string; address: ListenRange }[] = [];
  const claim = (path: KeyPath, key: string, address: ListenRange | undefined): void => {
    if (address === undefined) return;
    const other = seen.find((earlier) => clashes(earlier.address, address));
    if (other !== undefined) {
      const text = `${formatListenRange(address)} clashes with ${other.key}`;
      throw fail(path, `${text}; give each listener its own port`);
    }
    seen.push({ key, address });
  };
  for (const key of ['https', 'http', 'metrics'] as const) {
    claim(['listen', key], `listen.${key}`, listen[key]);
  }
  for (const [at, entry] of tcp.entries()) {
    claim(['tcp', at, 'listen'], `tcp[${at}].listen`, entry.listen);
  }
}

function checkProxies(source: ConfigSource, written: WrittenGatewayConfig): void {
  const { listen, tcp, 'trusted-proxies': proxies } = written;
  const key = 'proxy-protocol';
  const places: (readonly [KeyPath, ProxyProtocol])[] = [
    [['listen', key], listen[key]],
    ...tcp.map((entry, at) => [['tcp', at, key], entry[key]] as const),
  ];
  const required = places.find(([, protocol]) => protocol === 'required');
  if (required === undefined || proxies.length > 0) return;
  const text =
    'is required but trusted-proxies is empty, so nobody could connect; list the proxies';
  throw source.problem('CONFIG_INVALID', required[0], text);
}

function checkDuplicates(source: ConfigSource, written: WrittenGatewayConfig): void {
  const { applications, groups, 'identity-providers': providers } = written;
  const lists = [
    ['applications', 'name', applications.map(({ name }) => name)],
    ['applications', 'hostname', applications.map(placeOf)],
    ['identity-providers', 'id', providers.map(({ id }) => id)],
    ['groups', 'name', groups.map(({ name }) => name)],
  ] as const;
  for (const [list, key, values] of lists) {
    const at = values.findIndex((value, index) => values.indexOf(value) !== index);
    const value = values[at];
    if (value === undefined) continue;
    const first = `${list}[${values.indexOf(value)}]`;
    const text = `"${value}" is taken by ${first}; each ${key} may be used once`;
    throw source.problem('CONFIG_INVALID', [list, at, key], text);
  }
}

/** The hostname with the path, where there is one: what no two applications may share. */
function placeOf({ hostname, path }: WrittenGatewayConfig['applications'][number]): string {
  return path === '/' ? hostname.text : `${hostname.text}${path}`;
}
