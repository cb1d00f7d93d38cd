/** What a running gateway says about itself: plain data for `gateway status`, `tunnel info` and `/ready`. */

export interface LinkStatus {
  readonly index: number;
  /** Wall-clock time of registration, ms. */
  readonly since: number;
  readonly address: string;
  /** Smoothed round trip, ms; absent before the first measurement. */
  readonly roundTripMs?: number;
  readonly streams: number;
}

export interface ReplicaStatus {
  readonly id: string;
  readonly hostname: string;
  readonly platform: string;
  readonly software: string;
  /** Wall-clock time the connector started, ms. */
  readonly startedAt: number;
  readonly streams: number;
  /** Streams that wait for a link. */
  readonly detached: number;
  readonly links: readonly LinkStatus[];
  /** Hostnames of its ingress rules, in order. */
  readonly hostnames: readonly string[];
}

export interface GatewayStatus {
  readonly id: string;
  readonly version: string;
  readonly startedAt: number;
  readonly isDraining: boolean;
  readonly links: number;
  readonly httpRequests: number;
  readonly webSockets: number;
  readonly tcpConnections: number;
  /** Links of clients. */
  readonly clients: number;
  /** Their streams that are relayed now. */
  readonly clientStreams: number;
  readonly addresses: Readonly<Record<string, string>>;
}
