import { describe, expect, it } from '@jest/globals';
import { roundTrip } from '../../../src/cli/round-trip.ts';

describe('roundTrip()', () => {
  it.each([
    [[], '?'],
    [[undefined], '?'],
    [[undefined, 31.4, 28.6], '29 ms'],
    [[0.44], '0.4 ms'],
    [[9.97], '10 ms'],
  ])('says %j as %s', (measured, text) => {
    expect(roundTrip(...measured)).toBe(text);
  });
});
