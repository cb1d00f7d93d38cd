/**
 * The access log: one line for each request, when it ends.
 *
 * Field names are those of telemetry/log-field.ts. A request that failed on our side or the origin's is a warning.
 */
import { FIELD } from '../../../telemetry/log-field.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { RequestSummary } from './request-record.ts';

/** Failures that say nothing about the gateway or an origin: users leave, mistype and are refused. */
const ORDINARY = /^(?:HTTP_(?!INTERNAL)|ACCESS_|ROUTE_NOT_FOUND|ROUTE_NO_RULE)/;

/** Writes the line, at `ordinary` where nothing went wrong on our side. Costs nothing where its level is off. */
export function logRequest(
  log: Log,
  summary: RequestSummary,
  ordinary: 'info' | 'debug' = 'info',
): void {
  const { code, access } = summary;
  const level = code === undefined || ORDINARY.test(code) ? ordinary : 'warn';
  if (!log.isLevelEnabled(level)) return;
  log[level](
    {
      [FIELD.request]: summary.requestId,
      [FIELD.tunnel]: summary.tunnelId,
      [FIELD.tunnelName]: summary.tunnelName,
      ...(summary.replicaId !== undefined && { [FIELD.replica]: summary.replicaId }),
      [FIELD.client]: summary.client.address,
      ...(access && accessFields(access)),
      ...(summary.trace && { [FIELD.trace]: summary.trace.traceId }),
      [FIELD.method]: summary.method,
      [FIELD.httpVersion]: summary.httpVersion,
      [FIELD.hostname]: summary.hostname,
      [FIELD.path]: summary.path,
      [FIELD.status]: summary.status,
      [FIELD.bytesReceived]: summary.bytesReceived,
      [FIELD.bytesSent]: summary.bytesSent,
      [FIELD.durationMs]: rounded(summary.durationMs),
      [FIELD.gatewayMs]: rounded(summary.gatewayMs),
      [FIELD.connectMs]: rounded(summary.connectMs),
      [FIELD.originMs]: rounded(summary.originMs),
      [FIELD.code]: code,
      [FIELD.err]: summary.error,
    },
    summary.isUpgraded ? 'websocket' : 'request',
  );
}

/** Without the names of what is not there: a request of somebody unknown has half of them. */
function accessFields(access: NonNullable<RequestSummary['access']>): Record<string, unknown> {
  const { user, session, application, policy, decision, reason } = access;
  return {
    ...(user !== undefined && { [FIELD.user]: user, [FIELD.session]: session }),
    ...(application !== undefined && { [FIELD.application]: application, [FIELD.policy]: policy }),
    [FIELD.decision]: decision,
    [FIELD.accessReason]: reason,
  };
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}
