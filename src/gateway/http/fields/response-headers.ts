/**
 * The header fields that a user receives from an origin.
 *
 * Pure. Order, spelling and repetition are kept, several Set-Cookie among them. Framing is not the origin's to decide:
 * its Connection and Transfer-Encoding go, and Trailer is told apart: only a body in chunks can have any. Nor are our
 * cookies (P25).
 */
import { HOP_BY_HOP } from '../../../core/hop-by-hop.ts';
import { isOwnCookie } from '../../../access/app-sign-in/app-cookies.ts';
import { announcedTrailers } from './trailers.ts';
import { connectionOptions, isOrdinaryConnection } from './header-rules.ts';

/** What is passed on, and what the gateway needs to know of it. */
export interface ResponseHeaders {
  /** Names and values in turn. */
  readonly headers: string[];
  /** Bytes of the body where the origin says so. */
  readonly contentLength: number | undefined;
  /** Whether the body comes in chunks. Without that and without a length, only the connection's end ends it. */
  readonly isChunked: boolean;
  /** The names that a Trailer field may announce to the user. */
  readonly trailer: string | undefined;
}

/** Filters the raw fields of an origin's response: names and values in turn, as bytes. */
export function responseHeaders(raw: readonly Buffer[]): ResponseHeaders {
  const headers: string[] = [];
  let listed: Set<string> | undefined;
  let contentLength: number | undefined;
  let isChunked = false;
  let trailer: string | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = textAt(raw, index);
    const lowerName = name.toLowerCase();
    if (lowerName === 'connection') {
      const value = textAt(raw, index + 1);
      if (!isOrdinaryConnection(value)) listed = listedIn(value, listed);
      continue;
    }
    if (HOP_BY_HOP.has(lowerName)) {
      isChunked ||= lowerName === 'transfer-encoding';
      if (lowerName === 'trailer') trailer = announcedTrailers(textAt(raw, index + 1));
      continue;
    }
    const value = textAt(raw, index + 1);
    if (lowerName === 'content-length') contentLength = Number(value);
    else if (lowerName === 'set-cookie' && isOwnCookie(value)) continue;
    headers.push(name, value);
  }
  if (listed === undefined) return { headers, contentLength, isChunked, trailer };
  return { headers: withoutListed(headers, listed), contentLength, isChunked, trailer };
}

/** The value of the first field with this lower-case name. */
export function findHeader(raw: readonly Buffer[], lowerName: string): string | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]?.length !== lowerName.length) continue;
    if (textAt(raw, index).toLowerCase() === lowerName) return textAt(raw, index + 1);
  }
  return undefined;
}

/** Options that name no field to remove, and the field that frames the body. */
const NEVER_LISTED: ReadonlySet<string> = new Set(['close', 'keep-alive', 'content-length']);

function listedIn(value: string, known: Set<string> | undefined): Set<string> {
  const listed = known ?? new Set();
  for (const option of connectionOptions(value)) {
    if (!NEVER_LISTED.has(option)) listed.add(option);
  }
  return listed;
}

function withoutListed(headers: readonly string[], listed: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (!listed.has(name.toLowerCase())) kept.push(name, headers[index + 1] ?? '');
  }
  return kept;
}

function textAt(raw: readonly Buffer[], index: number): string {
  return raw[index]?.toString('latin1') ?? '';
}
