/**
 * What whoever watches a tunnel is told of each request. Names of fields are API: `tunnel tail -o json` prints them as they are.
 *
 * Other lines are of the feed itself (admin-feed.ts): `ready` at the beginning, `lost` with a count where lines were left out, and
 * `end` where this process of the gateway tells no more.
 */
import type { RequestSummary } from '../gateway/http/record/request-record.ts';

/** Longest path that is told, characters. */
const MAX_PATH_CHARS = 2_048;

/** A request that has ended, a WebSocket too. Times are ms; the query is not told. */
export interface TailedRequest {
  readonly type: 'request';
  /** When it ended, ISO 8601. */
  readonly at: string;
  readonly requestId: string;
  readonly traceId?: string;
  readonly hostname: string;
  readonly method: string;
  readonly path: string;
  /** 0 where its user left before there was an answer. */
  readonly status: number;
  /** Why it failed: a code of docs/errors.md. */
  readonly code?: string;
  readonly httpVersion?: string;
  readonly client: string;
  readonly user?: string;
  readonly application?: string;
  readonly decision?: string;
  /** Id of the replica that took it. */
  readonly replica?: string;
  readonly durationMs: number;
  readonly gatewayMs?: number;
  readonly originMs?: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly isWebSocket: boolean;
}

/** The line of a request that ended at `wallMs`. */
export function tailedRequest(summary: RequestSummary, wallMs: number): TailedRequest {
  const { code, httpVersion, access, replicaId, gatewayMs, originMs, trace } = summary;
  const { user, application, decision } = access ?? {};
  return {
    type: 'request',
    at: new Date(wallMs).toISOString(),
    requestId: summary.requestId,
    ...(trace && { traceId: trace.traceId }),
    hostname: summary.hostname,
    method: summary.method,
    path: summary.path.slice(0, MAX_PATH_CHARS),
    status: summary.status,
    ...(code !== undefined && { code }),
    ...(httpVersion !== undefined && { httpVersion }),
    client: summary.client.address,
    ...(user !== undefined && { user }),
    ...(application !== undefined && { application }),
    ...(decision !== undefined && { decision }),
    ...(replicaId !== undefined && { replica: replicaId }),
    durationMs: rounded(summary.durationMs),
    ...(gatewayMs !== undefined && { gatewayMs: rounded(gatewayMs) }),
    ...(originMs !== undefined && { originMs: rounded(originMs) }),
    bytesReceived: summary.bytesReceived,
    bytesSent: summary.bytesSent,
    isWebSocket: summary.isUpgraded,
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
