import { describe, expect, it } from '@jest/globals';
import { createLog } from '../../../../src/telemetry/log.ts';
import {
  traceFieldsOf,
  Tracer,
  type TracingConfig,
} from '../../../../src/telemetry/tracing/tracer.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
const ALL: TracingConfig = { endpoint: 'http://127.0.0.1:1', sample: 1 };

function create(config?: TracingConfig): Tracer {
  const log = createLog({ component: 'test', level: 'silent' });
  const how = { resource: {}, clock: new FakeClock(), log, onOutcome: () => undefined };
  return new Tracer(how, config);
}

describe('Tracer', () => {
  it('traces nothing, and touches no field, without a collector', () => {
    expect(create().begin({ traceparent: TRACEPARENT })).toBeUndefined();
  });

  it('takes over a trace, as the parent of the origin', () => {
    const trace = create(ALL).begin({ traceparent: TRACEPARENT, tracestate: 'a=1, b=2' });
    expect(trace).toMatchObject({ traceId: TRACE, parentSpanId: SPAN });
    expect(trace?.spanId).toMatch(/^[0-9a-f]{16}$/);
    const sent = `00-${TRACE}-${trace?.originSpanId}-01`;
    expect(trace?.fields).toEqual(['traceparent', sent, 'tracestate', 'a=1,b=2']);
    expect(trace?.originSpanId).not.toBe(SPAN);
  });

  it.each([
    ['none', {}],
    ['an invalid one', { traceparent: 'mine', tracestate: 'a=1' }],
    ['two of them', traceFieldsOf({ traceparent: [TRACEPARENT, TRACEPARENT] })],
    ['a state without a parent', { tracestate: 'a=1' }],
  ])('begins a trace where there is %s, and drops the state', (_what, fields) => {
    const trace = create(ALL).begin(fields);
    expect(trace?.traceId).not.toBe(TRACE);
    expect(trace?.parentSpanId).toBeUndefined();
    expect(trace?.fields).toEqual([
      'traceparent',
      `00-${trace?.traceId}-${trace?.originSpanId}-01`,
    ]);
  });

  it('obeys a caller who does not record', () => {
    const trace = create(ALL).begin({ traceparent: `00-${TRACE}-${SPAN}-00` });
    expect(trace).toMatchObject({ traceId: TRACE, spanId: undefined, fields: undefined });
  });

  it('lets a trace go past that is not in the share, and names those that begin here', () => {
    const tracer = create({ ...ALL, sample: 0 });
    expect(tracer.begin({ traceparent: TRACEPARENT })).toMatchObject({
      traceId: TRACE,
      spanId: undefined,
      fields: undefined,
    });
    const begun = tracer.begin({});
    expect(begun?.spanId).toBeUndefined();
    expect(begun?.fields?.[1]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('can be turned on and off', () => {
    const tracer = create();
    tracer.configure(ALL);
    expect(tracer.begin({})).toBeDefined();
    tracer.configure({ ...ALL, sample: 0 });
    expect(tracer.begin({})?.spanId).toBeUndefined();
    tracer.configure(undefined);
    expect(tracer.begin({})).toBeUndefined();
  });
});
