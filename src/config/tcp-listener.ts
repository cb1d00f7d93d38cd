/**
 * `tcp:` of the gateway's file: plain TCP ports, what is said there of each, and what it means.
 *
 * A listener is one port or a range beside each other. All of it has one set of rules: who may connect, how many, and where
 * connections go.
 */
import { z } from 'zod';
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
import { parseHostname } from './hostname-pattern.ts';
import { portCount, type ListenRange } from './listen-address.ts';
import { checkTlsFiles, type TlsFiles } from './pem-file.ts';

/** Plain TCP ports whose connections go to the service behind a hostname. */
export interface TcpListener {
  readonly listen: ListenRange;
  /** Normal form, without `*`. */
  readonly hostname: string;
  /** Absent: bytes are passed as they are. `terminate`: TLS ends here with the gateway's own certificate. */
  readonly tls?: 'terminate' | TlsFiles | undefined;
  /** Who may connect; empty for everybody. */
  readonly allow: readonly IpRange[];
  /** Who may not, whatever `allow` says. */
  readonly deny: readonly IpRange[];
  /** Connections at one time, over all its ports; 0 for any number. */
  readonly maxConnections: number;
  /** The same of one address. */
  readonly maxConnectionsPerAddress: number;
  /** How long a connection may carry nothing; 0 for ever. */
  readonly idleTimeoutMs: number;
  /** `required`: connections come from `trusted-proxies` and begin with a PROXY header. */
  readonly proxyProtocol: ProxyProtocol;
}

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

/** One entry of `tcp` as it is written. */
export const tcpListenerSchema = mapping({
  listen: listenRange(),
  hostname: parsed('a hostname such as ssh.example.com', parseHostname),
  tls: z
    .union(
      [
        z.literal('terminate'),
        mapping({ cert: text('the name of a PEM file'), key: text('the name of a PEM file') }),
      ],
      { error: expected('terminate, or a mapping with cert and key') },
    )
    .optional(),
  allow: networks().default([]),
  deny: networks().default([]),
  'max-connections': wholeNumber(0, MOST_CONNECTIONS).prefault(0),
  'max-connections-per-address': wholeNumber(0, MOST_CONNECTIONS).prefault(0),
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
  const { listen, hostname, tls, allow, deny } = written;
  return {
    listen,
    hostname,
    tls: typeof tls === 'object' ? await checkTlsFiles(source, ['tcp', at, 'tls'], tls) : tls,
    allow,
    deny,
    maxConnections: written['max-connections'],
    maxConnectionsPerAddress: written['max-connections-per-address'],
    idleTimeoutMs: written['idle-timeout'],
    proxyProtocol: written['proxy-protocol'],
  };
}
