/**
 * Addresses to listen on, as files and flags write them: `127.0.0.1:8443`, `[::1]:443`, `localhost:2000`, `:8443`.
 *
 * An empty host means every address of the machine, IPv6 and IPv4. A bare port is refused: whether it means every
 * address or the local one is a guess. Port 0 lets the system choose. Nothing here opens a socket.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Where to listen. `host` is '' for every address, else an IP address without brackets or a name. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Ports at one address, one beside the other. */
export interface ListenRange extends ListenAddress {
  /** The last of several; absent for a single one. */
  readonly lastPort?: number;
}

/** Parses an address to listen on; undefined when it is not one. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, v6, name = '', digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6.toLowerCase(), port } : undefined;
  if (name === '' || name === '*') return { host: '', port };
  return isIPv4(name) || isName(name) ? { host: name.toLowerCase(), port } : undefined;
}

/** Parses an address with one port or a range such as `127.0.0.1:5000-5099`; undefined when it is neither. */
export function parseListenRange(text: string): ListenRange | undefined {
  const [, head = '', lastDigits] = /^(.*:\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  if (lastDigits === undefined) return parseListenAddress(text);
  const first = parseListenAddress(head);
  const lastPort = Number(lastDigits);
  // The system chooses single ports, not neighbours.
  if (first === undefined || first.port === 0 || lastPort > 65_535) return undefined;
  return lastPort > first.port ? { ...first, lastPort } : undefined;
}

/** How many ports it has. */
export function portCount({ port, lastPort = port }: ListenRange): number {
  return lastPort - port + 1;
}

/** Each of its addresses, in order. */
export function addressesOf(range: ListenRange): ListenAddress[] {
  const { host, port } = range;
  return Array.from({ length: portCount(range) }, (_, offset) => ({ host, port: port + offset }));
}

/** The address as it is written in a file. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The range as it is written in a file. */
export function formatListenRange({ lastPort, ...first }: ListenRange): string {
  return `${formatListenAddress(first)}${lastPort === undefined ? '' : `-${lastPort}`}`;
}

/** Whether the system would refuse to open both. Port 0 never clashes; names are compared as written. */
export function clashes(a: ListenRange, b: ListenRange): boolean {
  const isApart = (a.lastPort ?? a.port) < b.port || (b.lastPort ?? b.port) < a.port;
  if (isApart || a.port === 0 || b.port === 0) return false;
  return a.host === b.host || covers(a.host, b.host) || covers(b.host, a.host);
}

function covers(wildcard: string, host: string): boolean {
  if (wildcard === '' || wildcard === '::') return true;
  return wildcard === '0.0.0.0' && !isIPv6(host);
}

function isName(text: string): boolean {
  // A last label of digits would be read as an address, and is one that is out of range: 300.1.1.1.
  return /^(?!.*(^|\.)\d+$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(text);
}
