/**
 * Spans, and how OTLP writes them in JSON. https://opentelemetry.io/docs/specs/otlp/ and its trace.proto.
 *
 * Plain data. Values that come from users are cut: a collector gets no more than it must.
 */

/** Longest value of an attribute, characters. test/unit/telemetry/tracing/span.test.ts */
const MAX_VALUE_CHARS = 1_024;

/** Kinds of trace.proto. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;

/** Undefined values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span that has ended. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  readonly kind: (typeof SPAN_KIND)[keyof typeof SPAN_KIND];
  /** ms since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** Why it failed; absent where it did not. */
  readonly error?: string | undefined;
}

/** Whose spans they are: `service.name` and the like. */
export type SpanResource = SpanAttributes;

/** The body of a request to `/v1/traces`. */
export function formatSpans(resource: SpanResource, spans: readonly Span[]): string {
  const scope = { name: 'postern', version: String(resource['service.version'] ?? '') };
  const scopeSpans = [{ scope, spans: spans.map(otlpSpan) }];
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes: otlpAttributes(resource) }, scopeSpans }],
  });
}

function otlpSpan(span: Span): object {
  const { traceId, spanId, parentSpanId, name, kind, startMs, endMs, attributes, error } = span;
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(Math.max(startMs, endMs)),
    attributes: otlpAttributes(attributes),
    ...(error !== undefined && { status: { code: 2, message: error.slice(0, MAX_VALUE_CHARS) } }),
  };
}

function otlpAttributes(attributes: SpanAttributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: otlpValue(value) }],
  );
}

function otlpValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value.slice(0, MAX_VALUE_CHARS) };
  if (typeof value === 'boolean') return { boolValue: value };
  // 64-bit integers are text in the JSON of protobuf.
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Milliseconds are exact to a microsecond here, and a number does not hold nanoseconds since 1970. */
function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1000))}000`;
}
