import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Places, type Place } from '../../../../../src/gateway/http/limits/places.ts';

describe('Places', () => {
  it('gives each key as many places as it may have, and remembers only keys that have some', () => {
    const places = new Places();
    const [first, second] = [places.take('a', 2), places.take('a', 2)];
    expect(first).toBeDefined();
    expect(second).toBeDefined();
    expect(places.take('a', 2)).toBeUndefined();
    expect(places.take('b', 0)).toBeUndefined();
    expect(places.take('b', 1)).toBeDefined();
    expect(places.size).toBe(2);
    first?.release();
    second?.release();
    expect(places.size).toBe(1);
    expect(places.take('a', 1)).toBeDefined();
  });

  it('never gives out more than the limit, whatever comes in whatever order', () => {
    const steps = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', 'c'), isTake: fc.boolean() }),
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 3 }), (moves, most) => {
        const places = new Places();
        const held: Record<string, Place[]> = { a: [], b: [], c: [] };
        for (const { key, isTake } of moves) {
          const own = held[key] ?? [];
          const place = isTake ? places.take(key, most) : own.pop();
          if (!isTake) place?.release();
          else if (place !== undefined) own.push(place);
          expect(own.length).toBeLessThanOrEqual(most);
          expect(place === undefined && isTake).toBe(isTake && own.length === most && !place);
        }
        expect(places.size).toBe(Object.values(held).filter(({ length }) => length > 0).length);
      }),
    );
  });
});
