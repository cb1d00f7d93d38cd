import { describe, expect, it } from '@jest/globals';

import { RateLimit } from '../../../src/protocol/rate-limit.ts';

/** How many of `wanted` are let through at time `now`. */
function taken(limit: RateLimit, now: number, wanted: number): number {
  let count = 0;
  for (let i = 0; i < wanted; i += 1) if (limit.take(now)) count += 1;
  return count;
}

describe('RateLimit', () => {
  it('lets a burst of one second through and then what comes in on average', () => {
    const limit = new RateLimit(100);
    expect(taken(limit, 1_000, 1_000)).toBe(100);
    expect(taken(limit, 1_010, 1_000)).toBe(1);
    expect(taken(limit, 1_500, 1_000)).toBe(49);
  });

  it('saves up no more than one burst', () => {
    const limit = new RateLimit(100);
    taken(limit, 0, 1_000);
    expect(taken(limit, 3_600_000, 1_000)).toBe(100);
  });

  it('counts parts of a token, however often it is asked', () => {
    const limit = new RateLimit(10);
    taken(limit, 0, 1_000);
    let count = 0;
    for (let now = 1; now <= 1_000; now += 1) count += taken(limit, now, 5);
    expect(count).toBe(10);
  });

  it('a burst of its own can be larger than a second brings', () => {
    const limit = new RateLimit(100, 300);
    expect(taken(limit, 0, 1_000)).toBe(300);
    expect(taken(limit, 1_000, 1_000)).toBe(100);
  });

  it('hasToken() takes none', () => {
    const limit = new RateLimit(1);
    expect([limit.hasToken(0), limit.hasToken(0), limit.take(0)]).toEqual([true, true, true]);
    expect([limit.hasToken(500), limit.hasToken(1_000), limit.take(1_000)]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
