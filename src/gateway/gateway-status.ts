/** What a running gateway says about itself: plain data for `gateway status`, `tunnel info` and `/ready`. */
import type { ConfigStatus } from '../telemetry/config-state.ts';

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
  /** Of those, the rules whose origin the connector says is not well: hostname and path. Absent: none. */
  readonly unhealthy?: readonly string[];
}

/** A tunnel with connectors, in short. */
export interface TunnelStatus {
  readonly name: string;
  readonly replicas: number;
  readonly links: number;
  readonly streams: number;
  /** Streams that wait for a link. */
  readonly detached: number;
  /** The shortest smoothed round trip of its links, ms; absent before the first measurement. */
  readonly roundTripMs?: number;
  /** What its connectors say they are, each once. */
  readonly software: readonly string[];
}

/** What is under way of one kind. */
export interface LiveWork {
  readonly count: number;
  /** How long the oldest has been under way, ms; absent where there is none. */
  readonly oldestMs?: number;
}

/** What a drain still waits for: counts, and how much of the grace period is left. */
export interface DrainWait {
  readonly httpRequests: number;
  readonly webSockets: number;
  readonly tcpConnections: number;
  readonly clientStreams: number;
  /** Users' connections without a request. */
  readonly idleConnections: number;
  /** Links of clients. */
  readonly clients: number;
  readonly graceLeftMs: number;
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
  /** Rules of connected replicas whose origin is not well. Absent: none. */
  readonly unhealthyRules?: number;
  readonly addresses: Readonly<Record<string, string>>;
  /** What is under way, by kind. */
  readonly live: Readonly<
    Record<'httpRequests' | 'webSockets' | 'tcpConnections' | 'clientStreams' | 'links', LiveWork>
  >;
  /** What became of its files while it runs; absent in versions before. */
  readonly config?: ConfigStatus;
  /** While it drains. */
  readonly waitsFor?: DrainWait;
}
