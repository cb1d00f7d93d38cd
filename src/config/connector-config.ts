/**
 * The connector's configuration file: cloudflared's, plus `gateway:` and `ca:`. design.md §5 and docs/config.md.
 *
 * What comes out is complete: defaults filled in, durations in ms, paths absolute, every file it names readable.
 * No key of cloudflared is silently ignored: each is honoured, refused, or documented as meaningless.
 */
import type { LogConfig } from './gateway-config.ts';
import type { IngressRule } from './ingress-rule.ts';
import type { ListenAddress } from './listen-address.ts';

/** The connector's configuration, resolved. */
export interface ConnectorConfig {
  /** Absolute path of the file this was read from; absent when everything came from flags and environment. */
  readonly file?: string | undefined;
  /** Name or id of the tunnel, as written. The token says which tunnel it is; this must agree. */
  readonly tunnel?: string | undefined;
  /** Read it with `readCredentials`. */
  readonly credentialsFile?: string | undefined;
  /** Origins such as `https://gateway.example.com:8443`; at least one, no duplicates. */
  readonly gateways: readonly string[];
  /** A PEM file of authorities trusted for the gateways, beside the system's. */
  readonly caFile?: string | undefined;
  /** At least one rule; the last one matches everything. */
  readonly ingress: readonly IngressRule[];
  /** Where `/ready` and `/metrics` answer. Absent: nowhere. */
  readonly metrics?: ListenAddress | undefined;
  readonly gracePeriodMs: number;
  /** Links kept at the same time, spread over the gateways. */
  readonly linkCount: number;
  readonly log: LogConfig;
}
