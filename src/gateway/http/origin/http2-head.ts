/**
 * Header fields between the form that the HTTP path works with, HTTP/1.1's, and that of HTTP/2 to origins.
 *
 * Pure. See RFC 9113 §8.2 and §8.3.
 */
import type { OutgoingHttpHeaders } from 'node:http2';
import { appendField, emptyHead } from '../../http2/http2-fields.ts';

/** The head of a request to an origin. */
export interface OriginHead {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly scheme: 'http' | 'https';
  /** Names and values in turn, Host among them. */
  readonly fields: readonly string[];
}

/** What speaks about a connection of HTTP/1.1 and is an error in HTTP/2. */
const OF_HTTP1: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** The head as HTTP/2 has it. Throws where a field is not valid HTTP. */
export function requestHead(head: OriginHead): OutgoingHttpHeaders {
  const fields = emptyHead();
  fields[':method'] = head.method;
  fields[':path'] = head.path;
  fields[':scheme'] = head.scheme;
  for (let index = 0; index < head.fields.length; index += 2) {
    const name = (head.fields[index] ?? '').toLowerCase();
    const value = head.fields[index + 1] ?? '';
    if (name === 'host') fields[':authority'] = value;
    else if (!OF_HTTP1.has(name)) appendField(fields, name, value);
  }
  return fields;
}

/** Names and values in turn as undici gives them, without pseudo fields. */
export function rawFields(raw: readonly string[]): Buffer[] {
  const fields: Buffer[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (name.startsWith(':')) continue;
    fields.push(Buffer.from(name, 'latin1'), Buffer.from(raw[index + 1] ?? '', 'latin1'));
  }
  return fields;
}

/** Trailers as HTTP/2 has them, from names and values in turn. Throws where one is not valid HTTP. */
export function trailerFields(trailers: readonly string[]): OutgoingHttpHeaders {
  const fields = emptyHead();
  for (let index = 0; index < trailers.length; index += 2) {
    appendField(fields, (trailers[index] ?? '').toLowerCase(), trailers[index + 1] ?? '');
  }
  return fields;
}
