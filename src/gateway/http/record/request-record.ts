/**
 * What is known about one request when it ends: the access log line, and what metrics count.
 *
 * The path is kept without its query, which may hold secrets. Written to by whoever learns something; finished once.
 */
import type { ErrorCode } from '../../../core/error-codes.ts';
import type { Place } from '../limits/places.ts';
import type { RequestTrace } from '../../../telemetry/tracing/tracer.ts';
import type { ClientAddress } from '../../front/client-address.ts';
import { RequestTimes } from './request-times.ts';

/** What the gate decided, for the access log. */
export interface AccessNote {
  readonly user: string | undefined;
  /** Id of the session or the service token. */
  readonly session: string | undefined;
  readonly application: string | undefined;
  readonly policy: string | undefined;
  readonly decision: string;
  readonly reason: string;
}

/** One request that has ended. */
export interface RequestSummary {
  readonly requestId: string;
  readonly method: string;
  /** `1.0`, `1.1` or `2.0`; undefined where no head could be read. */
  readonly httpVersion: string | undefined;
  /** Empty where the request was refused before its host was known. */
  readonly hostname: string;
  readonly path: string;
  readonly client: ClientAddress;
  /** Undefined where no tunnel was reached. */
  readonly tunnelId: string | undefined;
  readonly tunnelName: string | undefined;
  /** The replica that took it. */
  readonly replicaId: string | undefined;
  /** What was decided about it; undefined where nobody was asked. */
  readonly access: AccessNote | undefined;
  /** What was answered; 0 where the user left before there was an answer. */
  readonly status: number;
  /** Undefined where the origin's response arrived whole. */
  readonly code: ErrorCode | undefined;
  /** What `code` stands for. For the log only: it names addresses and rules. */
  readonly error: Error | undefined;
  /** Bytes of the bodies, or of the raw streams after an upgrade. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  /** As RequestTimes says. */
  readonly gatewayMs: number | undefined;
  readonly connectMs: number | undefined;
  readonly originMs: number | undefined;
  readonly isUpgraded: boolean;
  /** The same on performance.now()'s clock, for spans. */
  readonly times: Readonly<RequestTimes>;
  /** Its place in a trace, where there are traces. */
  readonly trace: RequestTrace | undefined;
}

export class RequestRecord {
  readonly requestId: string;
  readonly client: ClientAddress;
  readonly method: string;
  readonly httpVersion: string | undefined;
  /** The client and the trusted proxies on the way, for origins. */
  forwardedFor: string;
  /** Whether the user spoke TLS, with us or with a trusted proxy. */
  isTls = false;
  hostname = '';
  path = '';
  tunnelId: string | undefined;
  tunnelName: string | undefined;
  replicaId: string | undefined;
  access: AccessNote | undefined;
  status = 0;
  code: ErrorCode | undefined;
  error: Error | undefined;
  bytesReceived = 0;
  bytesSent = 0;
  isUpgraded = false;
  readonly times = new RequestTimes();
  /** What it takes of the limits, until it has ended. */
  readonly places: Place[] = [];
  /** Its place among the running requests; means nothing where it is none of them. */
  runningAt = 0;
  /** Set once, before it is sent to an origin. */
  trace: RequestTrace | undefined;

  constructor(requestId: string, client: ClientAddress, method: string, httpVersion?: string) {
    this.requestId = requestId;
    this.client = client;
    this.forwardedFor = client.address;
    this.method = method;
    this.httpVersion = httpVersion;
  }

  /** Remembers the first failure; later ones are its echoes. */
  fail(code: ErrorCode, error?: Error): void {
    if (this.code !== undefined) return;
    this.code = code;
    this.error = error;
  }

  /** The request is over. */
  summary(): RequestSummary {
    const { requestId, client, method, httpVersion, hostname, path, tunnelId, tunnelName } = this;
    const { replicaId, access } = this;
    const { status, code, error, bytesReceived, bytesSent, isUpgraded } = this;
    const { times, trace } = this;
    const { gatewayMs, connectMs, originMs, startedAt } = times;
    const durationMs = performance.now() - startedAt;
    return {
      requestId,
      client,
      method,
      httpVersion,
      hostname,
      path,
      tunnelId,
      tunnelName,
      replicaId,
      access,
      status,
      code,
      error,
      bytesReceived,
      bytesSent,
      durationMs,
      gatewayMs,
      connectMs,
      originMs,
      times,
      trace,
      isUpgraded,
    };
  }
}
