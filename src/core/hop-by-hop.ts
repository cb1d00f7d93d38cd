/** Header fields that speak about one connection and never cross a proxy (RFC 9110 §7.6.1). */

/** In lower case. What TE and Trailer say is said anew. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
