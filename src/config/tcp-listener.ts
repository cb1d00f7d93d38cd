/**
 * `tcp:` of the gateway's file: plain TCP ports, what is said there of each, and what it means.
 *
 * A listener is one port or a range beside each other. All of it has one set of rules: who may connect, how many, and where
 * connections go.
 */
import { z } from 'zod';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { parseIpRange, type IpRange } from './access/ip-range.ts';
import type { ConfigSource } from './config-source.ts';
import {
  duration,
  expected,
  list,
  listenRange,
  mapping,
  oneOf,
  parsed,
  text,
  wholeNumber,
} from './field.ts';
import { parseHostname, parseHostnamePattern, type HostnamePattern } from './hostname-pattern.ts';
import { portCount, type ListenRange } from './listen-address.ts';
import { checkCaFile, checkTlsFiles, type TlsFiles } from './pem-file.ts';
import type { KeyPath } from './yaml-file.ts';

/** Plain TCP ports whose connections go to the service behind a hostname. */
export interface TcpListener {
  readonly listen: ListenRange;
  /** Where connections go: one name, or several names and `*.` patterns of which TLS says which it is. */
  readonly hostnames: readonly HostnamePattern[];
  /** `only`: to the one hostname. `named`: to the one that the client's ClientHello names. */
  readonly choice: 'only' | 'named';
  /** Absent: bytes are passed as they are. */
  readonly tls?: TcpTls | undefined;
  /** Who may connect; empty for everybody. */
  readonly allow: readonly IpRange[];
  /** Who may not, whatever `allow` says. */
  readonly deny: readonly IpRange[];
  /** Connections at one time, over all its ports; 0 for any number. */
  readonly maxConnections: number;
  /** The same of one address, but of `trusted-proxies`. */
  readonly maxConnectionsPerAddress: number;
  /** How long a connection may carry nothing; 0 for ever. */
  readonly idleTimeoutMs: number;
  /** `required`: connections come from `trusted-proxies` and begin with a PROXY header. */
  readonly proxyProtocol: ProxyProtocol;
}

/** How TLS is spoken at a listener. `passthrough`: its name is read, and all of it goes to the origin. */
export type TcpTls =
  | { readonly mode: 'passthrough' }
  | {
      readonly mode: 'terminate';
      /** Absent: the gateway's own certificate. */
      readonly files?: TlsFiles | undefined;
      /** Absolute; authorities of the certificates that users must have. */
      readonly clientCaFile?: string | undefined;
    };

export type ProxyProtocol = 'off' | 'required';

/** Whether a PROXY header must come, as it is written. */
export function proxyProtocol() {
  return oneOf(['off', 'required']).default('off');
}

/** A list of networks of users. */
export function networks() {
  return list(parsed('an address or network such as 192.0.2.0/24', parseIpRange)).max(
    LIMITS.networksListed,
    { error: `has more than ${LIMITS.networksListed} entries; merge some into larger networks` },
  );
}

const MOST_CONNECTIONS = 1_000_000;

/**
 * Of one address, where nothing is said: more than pools of connections and factories behind one address have, and few enough
 * that one address leaves files to open for the others. In all there is no default: a count of devices is nobody's to guess.
 */
const CONNECTIONS_PER_ADDRESS = 10_000;

/** One entry of `tcp` as it is written. */
export const tcpListenerSchema = mapping({
  listen: listenRange(),
  hostname: parsed('a hostname such as ssh.example.com', parseHostname).optional(),
  hostnames: list(parsed('a hostname such as a.example.com or *.example.com', parsePattern))
    .min(1, { error: 'is empty; name at least one hostname' })
    .max(LIMITS.tcpHostnames, {
      error: `has more than ${LIMITS.tcpHostnames} entries; use wildcards, or several listeners`,
    })
    .optional(),
  tls: z
    .union(
      [
        z.literal('terminate'),
        z.literal('passthrough'),
        mapping({
          cert: text('the name of a PEM file').optional(),
          key: text('the name of a PEM file').optional(),
          'client-ca': text('the name of a PEM file').optional(),
        }),
      ],
      { error: expected('terminate, passthrough, or a mapping with cert and key') },
    )
    .optional(),
  allow: networks().default([]),
  deny: networks().default([]),
  'max-connections': wholeNumber(0, MOST_CONNECTIONS).prefault(0),
  'max-connections-per-address': wholeNumber(0, MOST_CONNECTIONS).prefault(CONNECTIONS_PER_ADDRESS),
  'idle-timeout': duration().prefault('0s'),
  'proxy-protocol': proxyProtocol(),
});

type WrittenListener = z.output<typeof tcpListenerSchema>;

/** Checks what is written beyond single keys, and every file it names. Throws CONFIG_*. */
export async function resolveTcpListeners(
  source: ConfigSource,
  written: readonly WrittenListener[],
): Promise<TcpListener[]> {
  const listeners: TcpListener[] = [];
  let ports = 0;
  for (const [at, entry] of written.entries()) {
    ports += portCount(entry.listen);
    if (ports > LIMITS.tcpPorts) {
      const problem = `makes ${ports} ports in all, more than ${LIMITS.tcpPorts}`;
      throw source.problem('CONFIG_INVALID', ['tcp', at, 'listen'], `${problem}; listen on fewer`);
    }
    // One after the other, so that the first problem in the file is the one that is told.
    // oxlint-disable-next-line no-await-in-loop
    listeners.push(await resolveListener(source, at, entry));
  }
  return listeners;
}

async function resolveListener(
  source: ConfigSource,
  at: number,
  written: WrittenListener,
): Promise<TcpListener> {
  const { listen, hostname, hostnames, tls, allow, deny } = written;
  const fail = (key: string, problem: string) =>
    source.problem('CONFIG_INVALID', ['tcp', at, key], problem);
  if (hostname === undefined && hostnames === undefined) {
    throw fail('hostname', 'is missing; it must be a hostname such as ssh.example.com');
  }
  if (hostname !== undefined && hostnames !== undefined) {
    throw fail('hostnames', 'has no effect beside hostname; remove one of them');
  }
  if (hostnames !== undefined && tls === undefined) {
    throw fail(
      'hostnames',
      'are told apart by TLS; add tls: passthrough, or terminate where TLS should end here',
    );
  }
  const only = hostname === undefined ? [] : [parseHostnamePattern(hostname)];
  return {
    listen,
    hostnames: hostnames ?? only,
    choice: hostnames !== undefined || tls === 'passthrough' ? 'named' : 'only',
    tls: await resolveTls(source, ['tcp', at, 'tls'], tls),
    allow,
    deny,
    maxConnections: written['max-connections'],
    maxConnectionsPerAddress: written['max-connections-per-address'],
    idleTimeoutMs: written['idle-timeout'],
    proxyProtocol: written['proxy-protocol'],
  };
}

async function resolveTls(
  source: ConfigSource,
  path: KeyPath,
  tls: WrittenListener['tls'],
): Promise<TcpTls | undefined> {
  if (tls === undefined || tls === 'passthrough') return tls && { mode: tls };
  if (tls === 'terminate') return { mode: tls };
  const { cert, key, 'client-ca': ca } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    const problem = 'is missing; it must be the name of a PEM file';
    throw source.problem('CONFIG_INVALID', [...path, missing], problem);
  }
  const isPair = cert !== undefined && key !== undefined;
  const files = isPair ? await checkTlsFiles(source, path, { cert, key }) : undefined;
  const clientCaFile = ca && (await checkCaFile(source, [...path, 'client-ca'], ca));
  return {
    mode: 'terminate',
    ...(files !== undefined && { files }),
    ...(clientCaFile !== undefined && { clientCaFile }),
  };
}

/** Names and `*.` patterns: a listener for any name would be one for names of strangers. */
function parsePattern(written: string): HostnamePattern {
  const pattern = parseHostnamePattern(written);
  if (pattern.kind !== 'any') return pattern;
  const message = `hostname "${written}" is any; write names, or one such as *.example.com`;
  throw new PosternError('CONFIG_INVALID', message);
}
