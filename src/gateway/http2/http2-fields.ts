/**
 * Header fields between HTTP/2's form and the one the HTTP path works with, that of HTTP/1.1.
 *
 * Pure. Pseudo fields are told apart from the others, and cookies that came in pieces become one field again (RFC 9113
 * §8.2.3), since the rules about cookies are about whole ones.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http2';

/** The head of a request. */
export interface Http2Head {
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string | undefined;
  /** What an extended CONNECT asks for (RFC 8441 §4). */
  readonly protocol: string | undefined;
  /** Names and values in turn, without pseudo fields. */
  readonly fields: string[];
  /** What HTTP/1.1 would take for it, bytes. */
  readonly bytes: number;
}

/** Reads the fields of a request: names and values in turn, as they came. */
export function readHead(raw: readonly string[]): Http2Head {
  const pseudo: Record<string, string> = {};
  const fields: string[] = [];
  let cookieAt = -1;
  let bytes = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    const value = raw[index + 1] ?? '';
    bytes += name.length + value.length + 4;
    if (name.startsWith(':')) pseudo[name] = value;
    else if (name !== 'cookie') fields.push(name, value);
    else if (cookieAt === -1) cookieAt = fields.push(name, value) - 1;
    else fields[cookieAt] += `; ${value}`;
  }
  return {
    method: pseudo[':method'] ?? '',
    path: pseudo[':path'] ?? '',
    scheme: pseudo[':scheme'] ?? '',
    authority: pseudo[':authority'],
    protocol: pseudo[':protocol'],
    fields,
    bytes,
  };
}

/** The head of a response from names and values in turn. Throws where one is not valid HTTP. */
export function writeHead(status: number, fields: readonly string[]): OutgoingHttpHeaders {
  const head = emptyHead();
  for (let index = 0; index < fields.length; index += 2) {
    appendField(head, (fields[index] ?? '').toLowerCase(), fields[index + 1] ?? '');
  }
  return { ':status': status, ...head };
}

/** A head without fields, and without what every object has: a field may be called `__proto__`. */
export function emptyHead(): Record<string, string | string[]> {
  return Object.create(null) as Record<string, string | string[]>;
}

/**
 * Adds a field to a head. Throws where it is not valid HTTP: HTTP/2 would carry a line break to the next proxy. `lowerName` is
 * in lower case.
 */
export function appendField(
  head: Record<string, string | string[]>,
  lowerName: string,
  value: string,
): void {
  validateHeaderName(lowerName);
  validateHeaderValue(lowerName, value);
  const known = head[lowerName];
  if (known === undefined) head[lowerName] = value;
  else if (Array.isArray(known)) known.push(value);
  else if (LISTS.has(lowerName)) head[lowerName] = `${known}, ${value}`;
  else if (!SINGLE.has(lowerName)) head[lowerName] = [known, value];
}

/**
 * Trailers from names and values. One that is not valid HTTP is left out: the response has begun, and a field behind it may
 * be dropped.
 */
export function writeTrailers(
  trailers: readonly (readonly [string, string])[],
): OutgoingHttpHeaders {
  const head = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of trailers) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      continue;
    }
    (head[name.toLowerCase()] ??= []).push(value);
  }
  return head;
}

/** Fields that Node refuses to send twice over HTTP/2, and that mean a list: two are one with both (RFC 9110 §5.3). */
const LISTS: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'if-match',
  'if-none-match',
]);

/** Others of these. The first one counts, as it does for most programs; requests with two that matter get no further. */
const SINGLE: ReadonlySet<string> = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-length content-location content-md5 content-range content-type date dnt etag expires from host
  if-modified-since if-range if-unmodified-since last-modified location max-forwards proxy-authorization range referer
  retry-after tk upgrade-insecure-requests user-agent x-content-type-options`.split(/\s+/),
);
