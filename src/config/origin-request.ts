/**
 * `originRequest`: how a connector, and for HTTP the gateway, speaks to an origin. Names and meaning are cloudflared's.
 *
 * A rule's own value wins over the file's top-level one, which wins over the default. Every key of cloudflared is
 * either here or refused with a reason; none is ignored.
 */

/** All values resolved. Times are ms, files are absolute. */
export interface OriginRequest {
  /** How long the TCP connection to the origin may take. */
  readonly connectTimeoutMs: number;
  /** How long the TLS handshake with the origin may take. */
  readonly tlsTimeoutMs: number;
  /** Idle time before TCP keep-alive probes; 0 sends none. */
  readonly tcpKeepAliveMs: number;
  /** Whether IPv4 is tried when IPv6 is slow to answer. */
  readonly happyEyeballs: boolean;
  /** Idle HTTP connections kept for the rule. */
  readonly keepAliveConnections: number;
  /** How long an idle HTTP connection is kept. */
  readonly keepAliveTimeoutMs: number;
  /** Sent as Host instead of the user's. */
  readonly httpHostHeader?: string | undefined;
  /** The name asked for and expected in the origin's certificate, instead of the service's host. */
  readonly originServerName?: string | undefined;
  /** A PEM file of authorities trusted beside the system's. */
  readonly caFile?: string | undefined;
  /** `none` accepts any certificate of the origin (`noTLSVerify: true`). */
  readonly tlsVerification: 'required' | 'none';
}
