import { describe, expect, it } from '@jest/globals';

import { RoundTrips } from '../../../src/protocol/round-trips.ts';

describe('RoundTrips', () => {
  it('each waits for its own PONG, and one that comes again changes nothing', async () => {
    const trips = new RoundTrips();
    const done: string[] = [];
    const first = trips.begin();
    const second = trips.begin();
    const ended = [
      first.answered.then(() => done.push('first')),
      second.answered.then(() => done.push('second')),
    ];
    expect(trips.onPong(second.opaque)).toBe(true);
    await ended[1];
    expect(done).toEqual(['second']);
    expect(trips.onPong(second.opaque)).toBe(true);
    expect(trips.onPong(first.opaque)).toBe(true);
    await ended[0];
    expect(done).toEqual(['second', 'first']);
  });

  it('leaves those of the watch over silence alone', () => {
    expect(new RoundTrips().onPong(Buffer.from('0000000000000001', 'hex'))).toBe(false);
  });

  it('nobody waits beyond the end', async () => {
    const trips = new RoundTrips();
    const { answered } = trips.begin();
    trips.end();
    await expect(answered).resolves.toBeUndefined();
  });
});
