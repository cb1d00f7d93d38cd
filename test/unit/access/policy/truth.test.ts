import { describe, expect, it } from '@jest/globals';
import { all, any, not, truth } from '../../../../src/access/policy/truth.ts';

describe("Kleene's logic", () => {
  it.each([
    ['hit', 'hit', 'hit', 'hit'],
    ['hit', 'miss', 'hit', 'miss'],
    ['hit', 'unknown', 'hit', 'unknown'],
    ['miss', 'hit', 'hit', 'miss'],
    ['miss', 'miss', 'miss', 'miss'],
    ['miss', 'unknown', 'unknown', 'miss'],
    ['unknown', 'hit', 'hit', 'unknown'],
    ['unknown', 'miss', 'unknown', 'miss'],
    ['unknown', 'unknown', 'unknown', 'unknown'],
  ] as const)('%s, %s: any is %s, all is %s', (a, b, anyOf, allOf) => {
    expect(any([a, b])).toBe(anyOf);
    expect(all([a, b])).toBe(allOf);
  });

  it('of nothing: any is a miss, all is a hit', () => {
    expect(any([])).toBe('miss');
    expect(all([])).toBe('hit');
  });

  it('not turns what is known around', () => {
    expect(['hit', 'miss', 'unknown'].map((value) => not(value as 'hit'))).toEqual([
      'miss',
      'hit',
      'unknown',
    ]);
    expect([truth(true), truth(false)]).toEqual(['hit', 'miss']);
  });
});
