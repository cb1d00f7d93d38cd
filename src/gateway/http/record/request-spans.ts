/**
 * The spans of one request that has ended: the gateway's, the way to the origin where one was opened, and the origin's.
 * docs/operations.md "Traces".
 *
 * Attributes are those of OpenTelemetry's HTTP conventions, and `postern.…`. Neither the query nor the user is among them.
 */
import { SPAN_KIND, type Span, type SpanAttributes } from '../../../telemetry/tracing/span.ts';
import { newSpanId } from '../../../telemetry/tracing/trace-context.ts';
import type { RequestSummary } from './request-record.ts';

/** Methods that may name a span: others are anybody's invention. */
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'CONNECT',
]);

/** None where the request is not recorded. */
export function requestSpans(summary: RequestSummary): Span[] {
  const { trace } = summary;
  if (trace?.spanId === undefined) return [];
  const { traceId, spanId } = trace;
  const spans = [gatewaySpan(summary, traceId, spanId)];
  const { openingAt, openedAt, sentAt } = summary.times;
  const within = { traceId, parentSpanId: spanId };
  if (openingAt !== undefined) {
    const isOpen = openedAt !== undefined;
    spans.push({
      ...within,
      spanId: newSpanId(),
      name: 'open stream',
      kind: SPAN_KIND.internal,
      ...between(openingAt, openedAt ?? endOf(summary)),
      attributes: placeOf(summary),
      error: isOpen ? undefined : summary.code,
    });
  }
  if (sentAt !== undefined) spans.push({ ...originSpan(summary, sentAt), ...within });
  return spans;
}

function gatewaySpan(summary: RequestSummary, traceId: string, spanId: string): Span {
  const { trace, method, status, code, access, client, times } = summary;
  return {
    traceId,
    spanId,
    parentSpanId: trace?.parentSpanId,
    name: nameOf(method),
    kind: SPAN_KIND.server,
    ...between(times.startedAt, endOf(summary)),
    attributes: {
      'http.request.method': nameOf(method),
      'http.response.status_code': status === 0 ? undefined : status,
      'network.protocol.version': summary.httpVersion,
      'server.address': summary.hostname,
      'url.path': summary.path,
      'client.address': client.address,
      'error.type': code,
      'postern.request_id': summary.requestId,
      'postern.application': access?.application,
      'postern.decision': access?.decision,
      ...placeOf(summary),
    },
    error: status >= 500 || status === 0 ? (code ?? `status ${status}`) : undefined,
  };
}

function originSpan(
  summary: RequestSummary,
  sentAt: number,
): Omit<Span, 'traceId' | 'parentSpanId'> {
  const { method, trace, status, code, times } = summary;
  const isAnswered = times.answeredAt !== undefined;
  return {
    spanId: trace?.originSpanId ?? '',
    name: nameOf(method),
    kind: SPAN_KIND.client,
    ...between(sentAt, endOf(summary)),
    attributes: {
      'http.request.method': nameOf(method),
      'http.response.status_code': isAnswered ? status : undefined,
      'error.type': code,
      'postern.origin_ms': summary.originMs,
      ...placeOf(summary),
    },
    error: isAnswered && code === undefined ? undefined : (code ?? 'no answer'),
  };
}

function placeOf({ tunnelName, replicaId }: RequestSummary): SpanAttributes {
  return { 'postern.tunnel': tunnelName, 'postern.replica': replicaId };
}

function nameOf(method: string): string {
  return METHODS.has(method) ? method : '_OTHER';
}

function endOf({ times, durationMs }: RequestSummary): number {
  return times.startedAt + durationMs;
}

/** From what performance.now() counts to ms since 1970. */
function between(startAt: number, endAt: number): { startMs: number; endMs: number } {
  const { timeOrigin } = performance;
  return { startMs: timeOrigin + startAt, endMs: timeOrigin + endAt };
}
