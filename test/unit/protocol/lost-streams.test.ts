/** What an opener says of streams that have lost the way to their other end. */
import { expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { settle } from './turns.ts';
import { TwoEnds } from './two-ends.ts';

it('says which streams look for their way, and for how long they still do', async () => {
  const ends = new TwoEnds();
  const { there } = ends.connect();
  const [left, idle] = [ends.open(), ends.open()];
  await settle();
  idle.stream.reset('STREAM_CANCELLED', '');
  await settle();
  expect(ends.opener.lost.streams).toEqual([]);
  there.cut();
  await settle();
  const lostFor = (): unknown => [ends.opener.lost.streams, ends.opener.lost.leftMs];
  expect(lostFor()).toEqual([[left.stream], LIMITS.detachedMs]);
  ends.clock.run(10_000);
  // However often one asks, and also while a link is there and nothing comes back over it.
  expect(lostFor()).toEqual([[left.stream], LIMITS.detachedMs - 10_000]);
  const mute = ends.connect();
  mute.there.blackHole();
  expect(lostFor()).toEqual([[left.stream], LIMITS.detachedMs - 10_000]);
  mute.there.cut();
  ends.connect();
  await settle();
  expect(ends.opener.lost.streams).toEqual([]);
  left.stream.end();
  ends.at().stream.end();
  await settle();
  expect(left.closedWith).toBe('cleanly');
});
