/** A collector of spans, as a gateway sees one: an HTTP server that takes OTLP in JSON and keeps what it is given. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';

import { cleanup } from '../cleanup.ts';
import { portOf } from './port.ts';

/** A span, its attributes as plain values. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly status?: { readonly code: number; readonly message: string };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

export interface OtlpCollector {
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  /** Answers nothing any more, to requests that are under way either. */
  stop(): void;
}

interface WrittenSpan extends Omit<CollectedSpan, 'attributes'> {
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

interface WrittenSpans {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly WrittenSpan[] }[];
  }[];
}

/** Starts one. The clean-up stops it. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const server = createServer((request, response) => {
    void read(request).then((written) => {
      spans.push(...spansOf(written));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  const stop = (): void => {
    server.closeAllConnections();
    server.close();
  };
  cleanup(stop);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { endpoint: `http://127.0.0.1:${portOf(server)}`, spans, stop };
}

async function read(request: IncomingMessage): Promise<WrittenSpans> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text);
}

function spansOf({ resourceSpans }: WrittenSpans): CollectedSpan[] {
  const written = resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans),
  );
  return written.map((span) => ({
    ...span,
    attributes: Object.fromEntries(
      span.attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]),
    ),
  }));
}
