/**
 * Says what happens to streams of clients, in the log and in the numbers of their tunnels.
 */
import type { GatewayMetrics } from '../../telemetry/gateway-metrics.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ClientStreamEvents, RelayedStream } from './client-streams.ts';

export function clientStreamLog({
  log,
  metrics,
}: {
  readonly log: Log;
  readonly metrics: GatewayMetrics;
}): ClientStreamEvents {
  return {
    onAttached(stream) {
      const series = metrics.tunnel(stream.tunnelName);
      if (stream.isResumed) series.streamResumed();
      else series.streamOpened();
      log.info(
        fieldsOf(stream),
        stream.isResumed ? 'client stream resumed' : 'client stream opened',
      );
    },
    onEnded(stream, { end, bytesSent, bytesReceived, durationMs }) {
      const error = end.kind === 'reset' ? end.error : undefined;
      if (end.kind !== 'detached') metrics.tunnel(stream.tunnelName).streamClosed('tcp', error);
      const fields = { ...fieldsOf(stream), bytesSent, bytesReceived, durationMs };
      log.info(
        { ...fields, ...(error && { [FIELD.err]: error }) },
        end.kind === 'detached' ? 'client stream detached' : 'client stream ended',
      );
    },
    onRefused({ hostname, address, requestId, principal }, err) {
      log.warn(
        {
          [FIELD.request]: requestId,
          [FIELD.hostname]: hostname,
          [FIELD.client]: address,
          ...(principal.user !== undefined && { [FIELD.user]: principal.user }),
          [FIELD.err]: err,
        },
        'client stream refused',
      );
    },
  };
}

function fieldsOf(stream: RelayedStream): Record<string, unknown> {
  return {
    [FIELD.request]: stream.requestId,
    [FIELD.hostname]: stream.hostname,
    [FIELD.client]: stream.address,
    [FIELD.tunnelName]: stream.tunnelName,
    [FIELD.replica]: stream.replica,
    ...(stream.principal.user !== undefined && { [FIELD.user]: stream.principal.user }),
    ...(stream.application !== undefined && { [FIELD.application]: stream.application }),
    ...(stream.destination !== undefined && { [FIELD.destination]: stream.destination }),
  };
}
