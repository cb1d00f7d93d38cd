/** Counts a request that has ended: for its tunnel, and for its application. */
import type { GatewayMetrics } from '../../../telemetry/gateway-metrics.ts';
import type { RequestSummary } from './request-record.ts';

/** Adds it to the metrics. The outcome is a code of docs/errors.md, so a user cannot make up a label. */
export function countRequest(metrics: GatewayMetrics, summary: RequestSummary): void {
  const { tunnelName, status, code = 'ok', access, durationMs, originMs, isUpgraded } = summary;
  const series = tunnelName === undefined ? metrics.noTunnel : metrics.tunnel(tunnelName);
  series.httpRequest(status, durationMs / 1000);
  metrics.applications.request({
    application: access?.application ?? '',
    outcome: code,
    status,
    seconds: durationMs / 1000,
    originSeconds: originMs === undefined ? undefined : originMs / 1000,
    isUpgraded,
  });
}
