/** Backoff: how long to wait before the next attempt. */
import { describe, expect, it } from '@jest/globals';
import { BACKOFF_DEFAULTS, Backoff } from '../../../src/core/backoff.ts';

/** The next waits when the dice show `value` each time. */
function waits(count: number, value: number, options = {}): number[] {
  const backoff = new Backoff({ ...options, random: () => value });
  return Array.from({ length: count }, () => backoff.next());
}

describe('Backoff', () => {
  it('doubles its ceiling from 50 ms to 30 s', () => {
    expect(waits(12, 0.999999)).toEqual([
      50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ]);
  });

  it('uses the whole interval, down to no wait at all', () => {
    expect(waits(4, 0)).toEqual([0, 0, 0, 0]);
    expect(waits(4, 0.5)).toEqual([25, 50, 100, 200]);
  });

  it('spreads a thousand waits evenly', () => {
    const backoffs = Array.from({ length: 1_000 }, () => new Backoff({ baseMs: 1_000 }));
    const below = backoffs.map((backoff) => backoff.next()).filter((ms) => ms < 500);
    expect(below.length).toBeGreaterThan(400);
    expect(below.length).toBeLessThan(600);
  });

  it('begins again after a reset', () => {
    const backoff = new Backoff({ random: () => 0.999999 });
    for (let i = 0; i < 20; i += 1) backoff.next();
    expect(backoff.attempt).toBe(20);
    backoff.reset();
    expect([backoff.attempt, backoff.next(), backoff.attempt]).toEqual([0, 50, 1]);
  });

  it('stays finite after years of trying', () => {
    const backoff = new Backoff({ random: () => 1 });
    for (let i = 0; i < 5_000; i += 1) backoff.next();
    expect(backoff.next()).toBe(30_000);
  });

  it('takes other limits, and the default for what is not said', () => {
    expect(waits(4, 1, { baseMs: 1_000, maxMs: 3_000 })).toEqual([1_000, 2_000, 3_000, 3_000]);
    expect(waits(2, 1, { maxMs: 60 })).toEqual([50, 60]);
    expect(BACKOFF_DEFAULTS).toMatchObject({ baseMs: 50, maxMs: 30_000 });
  });
});
