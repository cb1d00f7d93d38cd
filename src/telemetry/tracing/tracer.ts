/**
 * Decides which requests are traced, and takes their spans. docs/operations.md "Traces".
 *
 * Off without a collector: then `traceparent` and `tracestate` are the affair of users and origins. May be configured anew at any
 * time; traces that are under way end where they began.
 */
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../log.ts';
import { SpanExporter, type SpanOutcome } from './span-exporter.ts';
import type { Span, SpanResource } from './span.ts';
import {
  checkTracestate,
  formatTraceparent,
  isInShare,
  newSpanId,
  newTraceId,
  parseTraceparent,
} from './trace-context.ts';

export interface TracingConfig {
  /** Base address of an OTLP/HTTP collector. */
  readonly endpoint: string;
  /** The share of traces that is recorded, from 0 to 1. */
  readonly sample: number;
}

/** The place of one request in its trace. */
export interface RequestTrace {
  readonly traceId: string;
  /** The span of the gateway's part; undefined where the request is not recorded. */
  readonly spanId: string | undefined;
  /** Who asked. */
  readonly parentSpanId: string | undefined;
  /** The span of the request to the origin. */
  readonly originSpanId: string;
  /** The fields that the origin gets in place of the user's; undefined: those of the user, as they are. */
  readonly fields: readonly string[] | undefined;
}

/** Of a request, as they came. */
export interface TraceFields {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** Out of the fields of a request, by their names in lower case. */
export function traceFieldsOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): TraceFields {
  return { traceparent: joined(headers['traceparent']), tracestate: joined(headers['tracestate']) };
}

function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value;
}

export interface TracerOptions {
  readonly resource: SpanResource;
  readonly clock: Clock;
  readonly log: Log;
  readonly onOutcome: (outcome: SpanOutcome, count: number) => void;
}

export class Tracer {
  readonly #options: TracerOptions;
  #config: TracingConfig | undefined;
  #exporter: SpanExporter | undefined;

  constructor(options: TracerOptions, config?: TracingConfig) {
    this.#options = options;
    this.configure(config);
  }

  /** Whether anything is traced: what a request says of its trace need not be read otherwise. */
  get isOn(): boolean {
    return this.#config !== undefined;
  }

  /** Goes by this from now on; undefined: traces nothing. */
  configure(config: TracingConfig | undefined): void {
    const before = this.#config;
    this.#config = config;
    if (before?.endpoint === config?.endpoint) return;
    void this.#exporter?.close();
    this.#exporter = config && new SpanExporter({ ...this.#options, endpoint: config.endpoint });
  }

  /** Finds the place of a request that has just come; undefined where nothing is traced. */
  begin(fields: TraceFields): RequestTrace | undefined {
    if (this.#config === undefined) return undefined;
    const parent = parseTraceparent(fields.traceparent);
    const traceId = parent?.traceId ?? newTraceId();
    const isWanted = parent === undefined || parent.isSampled;
    const isRecorded = isWanted && isInShare(traceId, this.#config.sample);
    const originSpanId = newSpanId();
    const parentSpanId = parent?.spanId;
    if (!isRecorded && parent !== undefined) {
      // Somebody else's trace, in which we have no part: it goes past.
      return { traceId, spanId: undefined, parentSpanId, originSpanId, fields: undefined };
    }
    const traceparent = formatTraceparent({ traceId, spanId: originSpanId, isSampled: isRecorded });
    const tracestate = parent && checkTracestate(fields.tracestate);
    const own = ['traceparent', traceparent];
    if (tracestate !== undefined) own.push('tracestate', tracestate);
    const spanId = isRecorded ? newSpanId() : undefined;
    return { traceId, spanId, parentSpanId, originSpanId, fields: own };
  }

  /** Takes spans that have ended. */
  add(...spans: readonly Span[]): void {
    this.#exporter?.add(...spans);
  }

  /** Sends what is there, for a moment. */
  async close(): Promise<void> {
    await this.#exporter?.close();
  }
}
