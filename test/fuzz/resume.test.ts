/**
 * Any schedule of cuts, black holes, stalls, moves and resets, over several links: every byte arrives once and in order,
 * or the stream ends at both ends with a code, and nothing is left of it.
 */
import { describe, it } from '@jest/globals';
import fc from 'fast-check';

import { turn } from '../unit/protocol/turns.ts';
import { TwoEnds } from '../unit/protocol/two-ends.ts';
import { sameNumbers } from '../support/same-numbers.ts';
import { fuzzOptions } from './fuzz-runs.ts';
import { manyPlans, plan, step, World, type Plan } from './world.ts';

const runs = fuzzOptions(1_000);

function worldOf(plans: readonly Plan[]): World<TwoEnds> {
  return new World(plans, (onStream) => new TwoEnds({ onStream }), {
    maxLinks: 4,
    lostCodes: ['STREAM_LOST'],
  });
}

describe('resuming under any schedule', () => {
  it('delivers every byte once and in order, or ends with a code at both ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 6 }),
        fc.array(step, { minLength: 5, maxLength: 80 }),
        async (plans, steps) => {
          const world = worldOf(plans);
          world.connect(Infinity);
          world.open();
          for (const taken of steps) await world.take(taken);
          await world.heal();
          world.check();
          await world.end();
        },
      ),
      runs,
    );
  });

  it('keeps a hundred streams alive through a thousand cuts', async () => {
    const plans = manyPlans(100, 400_000);
    const world = worldOf(plans);
    for (let links = 0; links < 4; links += 1) world.connect(20_000);
    for (const _ of plans) world.open();
    const next = sameNumbers();
    for (let cuts = 0; cuts < 1_000; cuts += 1) {
      await world.turns(next(4));
      if (cuts % 50 === 49) await world.take({ do: 'cutAll' });
      else await world.take({ do: 'cut', which: next(6) });
      if (cuts % 7 === 6) await world.turns(next(3));
      while (world.ends.opener.linkCount < 4) {
        await turn();
        world.connect(20_000);
      }
    }
    await world.heal();
    world.checkWhole();
    world.check();
    await world.end();
  });
});
