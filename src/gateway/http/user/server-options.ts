/**
 * How Node's HTTP servers are set up for the open Internet. Each value says what it guards against.
 *
 * Spread into `http.createServer` or `https.createServer`; no listener may use a server without them.
 */
import type { ServerOptions } from 'node:http';
import { type HttpLimits, HTTP_LIMITS_DEFAULTS } from '../../../config/http-limits.ts';

/** What an operator chose, as Node's servers call it. They look at it anew for each connection or request. */
export function serverLimits(limits: HttpLimits) {
  return {
    /** Single sign-on cookies outgrow Node's 16 KiB; more than the limit is an attack. */
    maxHeaderSize: limits.maxHeaderBytes,
    /** A head that takes longer is a slow-loris. */
    headersTimeout: limits.headerTimeoutMs,
    /** Idle connections of browsers, a little longer than most load balancers keep theirs. */
    keepAliveTimeout: limits.idleTimeoutMs,
  } as const;
}

/** Options that Node takes at construction. */
export const HTTP_SERVER_OPTIONS = {
  ...serverLimits(HTTP_LIMITS_DEFAULTS),
  /** Bodies are looked after by limits/stall-watch.ts, those of HTTP/2 too. */
  requestTimeout: 0,
  /** How often headersTimeout is looked at. */
  connectionsCheckingInterval: 1_000,
  /** Never lenient: an origin that parses differently would see other requests than we do. */
  insecureHTTPParser: false,
  /** The guard requires it, and answers with a code and a log line. */
  requireHostHeader: false,
  /** Larger reads and writes: bulk transfers spend their time per chunk. */
  highWaterMark: 64 * 1024,
  noDelay: true,
  /** TCP keep-alive finds users that vanished without a word. */
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
} as const satisfies ServerOptions;

/**
 * Properties that Node takes only on the server itself. `maxHeadersCount` 0: Node drops fields beyond a count silently,
 * and a field that was dropped was not checked; maxHeaderSize is the limit.
 */
export const HTTP_SERVER_PROPERTIES = { maxHeadersCount: 0, timeout: 0 } as const;
