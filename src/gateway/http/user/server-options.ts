/**
 * How Node's HTTP servers are set up for the open Internet. Each value says what it guards against.
 *
 * Spread into `http.createServer` or `https.createServer`; no listener may use a server without them.
 */
import type { ServerOptions } from 'node:http';

/** Options that Node takes at construction. */
export const HTTP_SERVER_OPTIONS = {
  /** Single sign-on cookies outgrow Node's 16 KiB; more than this is an attack. */
  maxHeaderSize: 32 * 1024,
  /** A head that takes longer is a slow-loris. */
  headersTimeout: 30_000,
  /** A body may take as long as it needs: uploads have no size limit. */
  requestTimeout: 0,
  /** Idle connections of browsers, a little longer than most load balancers keep theirs. */
  keepAliveTimeout: 75_000,
  /** How often headersTimeout is looked at. */
  connectionsCheckingInterval: 5_000,
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
