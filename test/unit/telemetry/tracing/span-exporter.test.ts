/** The exporter against a real collector's place: an HTTP server that answers as the test says. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../../../src/core/limits.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { SpanExporter } from '../../../../src/telemetry/tracing/span-exporter.ts';
import { SPAN_KIND, type Span } from '../../../../src/telemetry/tracing/span.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { portOf } from '../../../support/real/port.ts';

const SPAN: Span = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  name: 'GET',
  kind: SPAN_KIND.server,
  startMs: 1,
  endMs: 2,
  attributes: {},
};

let clock: FakeClock;
let lines: { level: string; msg: string }[];
let outcomes: Record<string, number>;
/** How many spans each request had, and its path. */
let received: { path: string | undefined; count: number }[];
let answer: (response: ServerResponse) => void;
let endpoint: string;

beforeEach(async () => {
  clock = new FakeClock();
  lines = [];
  outcomes = {};
  received = [];
  answer = (response) => response.end('{}');
  const server = createServer((request, response) => void take(request, response));
  cleanup(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  endpoint = `http://127.0.0.1:${portOf(server)}`;
});

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  received.push({ path: request.url, count: text.split('"spanId"').length - 1 });
  answer(response);
}

function create(base = endpoint): SpanExporter {
  const log = createLog({
    component: 'test',
    format: 'json',
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const exporter = new SpanExporter({
    endpoint: base,
    resource: { 'service.name': 'test' },
    clock,
    log,
    onOutcome: (outcome, count) => (outcomes[outcome] = (outcomes[outcome] ?? 0) + count),
  });
  cleanup(async () => {
    answer = (response) => response.end();
    const closed = exporter.close();
    clock.run(1_000);
    await closed;
  });
  return exporter;
}

const many = (count: number): Span[] => Array.from({ length: count }, () => SPAN);

describe('SpanExporter', () => {
  it('gathers spans and sends them together, below the path of the endpoint', async () => {
    const exporter = create(`${endpoint}/base/`);
    exporter.add(SPAN, SPAN);
    exporter.add(SPAN);
    expect(received).toEqual([]);
    clock.run(1_000);
    await eventually(() => expect(outcomes).toEqual({ sent: 3 }));
    expect(received).toEqual([{ path: '/base/v1/traces', count: 3 }]);
    expect(lines).toEqual([]);
  });

  it('keeps no more than the limit, counts what it drops, and sends in parts', async () => {
    const exporter = create();
    exporter.add(...many(LIMITS.queuedSpans + 7));
    expect(outcomes).toEqual({ dropped: 7 });
    await eventually(() => {
      clock.run(1_000);
      expect(outcomes['sent']).toBe(LIMITS.queuedSpans);
    });
    expect(received.map(({ count }) => count)).toEqual(
      Array.from(
        { length: LIMITS.queuedSpans / LIMITS.spansPerRequest },
        () => LIMITS.spansPerRequest,
      ),
    );
  });

  it('has one request under way, whatever the collector takes its time for', async () => {
    const held: ServerResponse[] = [];
    answer = (response) => void held.push(response);
    const exporter = create();
    exporter.add(SPAN);
    clock.run(1_000);
    await eventually(() => expect(held).toHaveLength(1));
    exporter.add(SPAN);
    clock.run(10_000);
    expect(received).toHaveLength(1);
    held.pop()?.end();
    await eventually(() => {
      clock.run(1_000);
      expect(held).toHaveLength(1);
    });
    held.pop()?.end();
    await eventually(() => expect(outcomes).toEqual({ sent: 2 }));
  });

  it('loses what a collector refuses, says so once, and says when it is over', async () => {
    answer = (response) => response.writeHead(503).end();
    const exporter = create();
    for (let count = 1; count <= 2; count += 1) {
      exporter.add(SPAN);
      await eventually(() => {
        clock.run(5_000);
        expect(outcomes).toEqual({ failed: count });
      });
    }
    expect(lines).toMatchObject([{ level: 'warn', msg: 'spans cannot be delivered' }]);
    answer = (response) => response.end();
    exporter.add(SPAN);
    await eventually(() => {
      clock.run(5_000);
      expect(outcomes).toEqual({ failed: 2, sent: 1 });
    });
    expect(lines.at(-1)).toMatchObject({ level: 'info', msg: 'spans are delivered again' });
  });

  it('survives a collector that is not there', async () => {
    const exporter = create('http://127.0.0.1:1');
    exporter.add(SPAN);
    clock.run(1_000);
    await eventually(() => expect(outcomes).toEqual({ failed: 1 }));
  });

  it('sends what is left when it is closed, and takes nothing more', async () => {
    const exporter = create();
    exporter.add(SPAN);
    await exporter.close();
    expect(outcomes).toEqual({ sent: 1 });
    exporter.add(SPAN);
    expect(outcomes).toEqual({ sent: 1, dropped: 1 });
  });

  it('does not wait for a collector that says nothing when it is closed', async () => {
    let isAsked = false;
    answer = () => (isAsked = true);
    const exporter = create();
    exporter.add(...many(LIMITS.spansPerRequest + 1));
    const closed = exporter.close();
    await eventually(() => isAsked);
    clock.run(1_000);
    await closed;
    await eventually(() =>
      expect(outcomes).toEqual({ dropped: 1, failed: LIMITS.spansPerRequest }),
    );
  });
});
