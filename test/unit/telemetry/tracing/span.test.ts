import { describe, expect, it } from '@jest/globals';
import { formatSpans, SPAN_KIND, type Span } from '../../../../src/telemetry/tracing/span.ts';

const SPAN: Span = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  name: 'GET',
  kind: SPAN_KIND.server,
  startMs: 1_763_700_000_000.123,
  endMs: 1_763_700_000_001,
  attributes: {},
};

const RESOURCE = { 'service.name': 'postern-gateway', 'service.version': '1.2.3' };

function only(span: Span): unknown {
  const body: { resourceSpans: { scopeSpans: { spans: unknown[] }[] }[] } = JSON.parse(
    formatSpans(RESOURCE, [span]),
  );
  return body.resourceSpans[0]?.scopeSpans[0]?.spans[0];
}

describe('formatSpans()', () => {
  it('writes what trace.proto describes in JSON', () => {
    const parentSpanId = 'aaaaaaaaaaaaaaaa';
    expect(JSON.parse(formatSpans(RESOURCE, [{ ...SPAN, parentSpanId }]))).toEqual({
      resourceSpans: [
        {
          resource: {
            attributes: [
              { key: 'service.name', value: { stringValue: 'postern-gateway' } },
              { key: 'service.version', value: { stringValue: '1.2.3' } },
            ],
          },
          scopeSpans: [
            {
              scope: { name: 'postern', version: '1.2.3' },
              spans: [
                {
                  traceId: SPAN.traceId,
                  spanId: SPAN.spanId,
                  parentSpanId,
                  name: 'GET',
                  kind: 2,
                  startTimeUnixNano: '1763700000000123000',
                  endTimeUnixNano: '1763700000001000000',
                  attributes: [],
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it('writes each kind of attribute, and leaves out those that are not there', () => {
    const attributes = { text: 'a', whole: 3, part: 0.5, flag: true, gone: undefined };
    expect(only({ ...SPAN, attributes })).toMatchObject({
      attributes: [
        { key: 'text', value: { stringValue: 'a' } },
        { key: 'whole', value: { intValue: '3' } },
        { key: 'part', value: { doubleValue: 0.5 } },
        { key: 'flag', value: { boolValue: true } },
      ],
    });
  });

  it('says that a span failed, and cuts what is long', () => {
    const long = 'x'.repeat(10_000);
    const written = JSON.stringify(
      only({ ...SPAN, error: long, attributes: { 'url.path': long } }),
    );
    expect(only({ ...SPAN, error: 'ORIGIN_REFUSED' })).toMatchObject({
      status: { code: 2, message: 'ORIGIN_REFUSED' },
    });
    expect(written.length).toBeLessThan(2_600);
  });

  it('never ends a span before it began', () => {
    expect(only({ ...SPAN, endMs: SPAN.startMs - 5 })).toMatchObject({
      endTimeUnixNano: '1763700000000123000',
    });
  });
});
