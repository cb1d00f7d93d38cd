/**
 * A host and port that somebody behind a client chose: what `access tcp --destination` names and a SOCKS5 request asks for.
 *
 * It only says what was asked for. Whether it may be dialled is decided by the connector, by the rules of its own file
 * and by the addresses that the name has there. Nothing here resolves a name.
 */
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { PosternError } from '../core/error.ts';
import { isOriginHost } from './connector/origin-service.ts';

/** In lower case and ASCII, without brackets; an IPv6 address has no zone. */
export interface Destination {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Parses `host:port`, IPv6 in brackets. Throws CONFIG_INVALID. */
export function parseDestination(text: string): Destination {
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const destination = destinationOf(v6 ?? name ?? '', Number(digits));
  if (destination !== undefined && (v6 !== undefined) === isIPv6(destination.host)) {
    return destination;
  }
  const message = `destination "${text}" is not one; write it like db.internal:5432 or [2001:db8::1]:22`;
  throw new PosternError('CONFIG_INVALID', message);
}

/** The same from its parts, in normal form; undefined for what is no host, or no port that can be dialled. */
export function destinationOf(host: string, port: number): Destination | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  if (isIPv6(host)) return host.includes('%') ? undefined : { host: host.toLowerCase(), port };
  if (!isOriginHost(host)) return undefined;
  const lower = host.toLowerCase();
  // ASCII is left alone: domainToASCII would read numbers as addresses.
  const ascii = /^[\u0021-\u007e]*$/.test(lower) ? lower : domainToASCII(lower);
  return ascii === '' || ascii.length > 253 ? undefined : { host: ascii, port };
}

/** As parseDestination() takes it. */
export function formatDestination({ host, port }: Destination): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
