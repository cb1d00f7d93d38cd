/** W3C Trace Context, with the cases of the recommendation and of its test suite. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkTracestate,
  formatTraceparent,
  isInShare,
  newSpanId,
  newTraceId,
  parseTraceparent,
} from '../../../../src/telemetry/tracing/trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('parseTraceparent()', () => {
  it.each([
    ['sampled', `00-${TRACE}-${SPAN}-01`, true],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, false],
    ['with other flags', `00-${TRACE}-${SPAN}-03`, true],
    ['with white space around it', ` 00-${TRACE}-${SPAN}-01\t`, true],
    ['of a later version', `cc-${TRACE}-${SPAN}-01`, true],
    ['of a later version with more', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be`, true],
  ])('reads one %s', (_what, text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
  });

  it.each([
    ['nothing', undefined],
    ['an empty one', ''],
    ['an invalid version', `ff-${TRACE}-${SPAN}-01`],
    ['more behind version 00', `00-${TRACE}-${SPAN}-01-more`],
    ['more without a dash', `cc-${TRACE}-${SPAN}-01.what`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['a short trace', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['a long span', `00-${TRACE}-${SPAN}0-01`],
    ['no flags', `00-${TRACE}-${SPAN}`],
    ['two fields in one', `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`],
    ['too much of a later version', `cc-${TRACE}-${SPAN}-01-${'x'.repeat(1000)}`],
  ])('takes %s for none', (_what, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it('reads what formatTraceparent() writes', () => {
    for (const isSampled of [true, false]) {
      const parent = { traceId: newTraceId(), spanId: newSpanId(), isSampled };
      expect(parseTraceparent(formatTraceparent(parent))).toEqual(parent);
    }
  });

  it('takes anything without a throw, and gives out nothing but ids', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        const parent = parseTraceparent(text);
        if (parent !== undefined) expect(parent.traceId).toMatch(/^[0-9a-f]{32}$/);
      }),
    );
  });
});

describe('checkTracestate()', () => {
  it.each([
    ['one', 'rojo=00f067aa0ba902b7', 'rojo=00f067aa0ba902b7'],
    ['several, in their order', 'congo=t61, rojo=1', 'congo=t61,rojo=1'],
    ['empty members', 'a=1,, b=2,', 'a=1,b=2'],
    ['a tenant', 'fw529a3039@dt=FfAMA', 'fw529a3039@dt=FfAMA'],
    ['blanks inside a value', 'a=x y', 'a=x y'],
  ])('passes on %s', (_what, text, passed) => {
    expect(checkTracestate(text)).toBe(passed);
  });

  it.each([
    ['nothing', undefined],
    ['only empty members', ' , ,'],
    ['a member without a value', 'a'],
    ['an empty value', 'a='],
    ['a name in upper case', 'A=1'],
    ['a name twice', 'a=1,a=2'],
    ['a second =', 'a=b=c'],
    ['a control character', 'a=\u0001'],
    ['33 members', Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(',')],
    ['more than 512 characters', `a=${'x'.repeat(255)},b=${'x'.repeat(255)},c=1`],
    ['a value that is too long', `a=${'x'.repeat(257)}`],
  ])('drops %s', (_what, text) => {
    expect(checkTracestate(text)).toBeUndefined();
  });
});

describe('isInShare()', () => {
  it('takes all, none, or about that share, and always decides the same', () => {
    const traces = Array.from({ length: 2_000 }, newTraceId);
    expect(traces.every((trace) => isInShare(trace, 1))).toBe(true);
    expect(traces.some((trace) => isInShare(trace, 0))).toBe(false);
    const taken = traces.filter((trace) => isInShare(trace, 0.25));
    expect(taken.length).toBeGreaterThan(350);
    expect(taken.length).toBeLessThan(650);
    expect(taken.every((trace) => isInShare(trace, 0.25) && isInShare(trace, 0.5))).toBe(true);
  });

  it('has ids that are all different', () => {
    expect(new Set(Array.from({ length: 5_000 }, newSpanId)).size).toBe(5_000);
  });
});
