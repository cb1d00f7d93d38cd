/**
 * The header fields that an origin receives.
 *
 * Pure. Order, spelling and repetition of the user's fields are kept. The order of work is the invariant: first
 * everything hop-by-hop and everything only we may set is removed, then ours is added, so that nothing a user sends can
 * add to or take away from what the gateway says (P18–P20).
 */
import { HOP_BY_HOP } from '../../../core/hop-by-hop.ts';
import { withoutOwnCookies } from '../../../access/app-sign-in/app-cookies.ts';
import { connectionOptions, isGatewayOwned, isOrdinaryConnection } from './header-rules.ts';
import { requestAnnouncement } from './trailers.ts';

export interface RequestHeadersInput {
  /** Names and values in turn, as sent. Checked by checkRequest(). */
  readonly rawHeaders: readonly string[];
  /** The user's Host field. */
  readonly host: string;
  /** Replaces Host, where the ingress rule says so. */
  readonly hostHeader?: string | undefined;
  /** Addresses of the user and of trusted proxies on the way. */
  readonly forwardedFor: string;
  readonly isTls: boolean;
  readonly requestId: string;
  /** Who it is, for the origin: names and values in turn. Default nobody. */
  readonly identity?: readonly string[] | undefined;
  /** The Authorization field is the gateway's own and stays here. */
  readonly ownsAuthorization?: boolean | undefined;
  /** Fields of the trace, in place of the user's: names and values in turn. Default: those of the user. */
  readonly trace?: readonly string[] | undefined;
  /** Whether a body follows; without one, Content-Length does not either. */
  readonly hasBody: boolean;
  /** Whether there may be trailers behind the body. Default true. */
  readonly takesTrailers?: boolean | undefined;
}

/** Names and values in turn. Connection, Upgrade and the framing of the body are left to the HTTP client. */
export function requestHeaders(input: RequestHeadersInput): string[] {
  const { rawHeaders } = input;
  const listed = listedInConnection(rawHeaders);
  const headers = ['Host', input.hostHeader ?? input.host];
  let wantsThem = false;
  let announces = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const lowerName = name.toLowerCase();
    if (lowerName === 'te' && wantsTrailers(rawHeaders[index + 1] ?? '')) wantsThem = true;
    if (lowerName === 'trailer') announces = input.hasBody && input.takesTrailers !== false;
    if (isDropped(lowerName, input.hasBody) || listed?.has(lowerName) === true) continue;
    if (lowerName === 'authorization' && input.ownsAuthorization === true) continue;
    if (input.trace !== undefined && TRACE_FIELDS.has(lowerName)) continue;
    const value = rawHeaders[index + 1] ?? '';
    const kept = lowerName === 'cookie' ? withoutOwnCookies(value) : value;
    if (kept !== '' || value === '') headers.push(name, kept);
  }
  if (wantsThem) headers.push('TE', 'trailers');
  const announced = announces ? requestAnnouncement(rawHeaders) : undefined;
  if (announced !== undefined) headers.push('Trailer', announced);
  headers.push('X-Forwarded-For', input.forwardedFor);
  headers.push('X-Forwarded-Host', input.host);
  headers.push('X-Forwarded-Proto', input.isTls ? 'https' : 'http');
  headers.push('X-Request-Id', input.requestId);
  if (input.trace !== undefined) headers.push(...input.trace);
  if (input.identity !== undefined) headers.push(...input.identity);
  return headers;
}

/** Whether a TE field says that trailers are welcome; the codings that it may list as well are ours to undo. */
function wantsTrailers(value: string): boolean {
  return connectionOptions(value).includes('trailers');
}

const TRACE_FIELDS: ReadonlySet<string> = new Set(['traceparent', 'tracestate']);

function isDropped(lowerName: string, hasBody: boolean): boolean {
  // Expect is answered by us; the HTTP client to the origin cannot wait for a 100.
  if (lowerName === 'host' || lowerName === 'expect') return true;
  if (lowerName === 'content-length') return !hasBody;
  return HOP_BY_HOP.has(lowerName) || isGatewayOwned(lowerName);
}

function listedInConnection(rawHeaders: readonly string[]): Set<string> | undefined {
  let listed: Set<string> | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    const value = rawHeaders[index + 1] ?? '';
    if (isOrdinaryConnection(value)) continue;
    listed ??= new Set();
    for (const option of connectionOptions(value)) listed.add(option);
  }
  return listed;
}
