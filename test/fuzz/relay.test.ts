/**
 * As resume.test.ts, with a relay between the endpoints: its links on either side break in any way, it is killed and replaced
 * by one that knows nothing, and either side is away for a while.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { ThreeEnds } from '../unit/protocol/three-ends.ts';
import { turn } from '../unit/protocol/turns.ts';
import { sameNumbers } from '../support/same-numbers.ts';
import { fuzzOptions } from './fuzz-runs.ts';
import { manyPlans, plan, step, World, type Plan } from './world.ts';

const runs = fuzzOptions(1_000);

function worldOf(plans: readonly Plan[]): World<ThreeEnds> {
  return new World(plans, (onStream) => new ThreeEnds({ onStream }), {
    maxLinks: 6,
    lostCodes: ['STREAM_LOST', 'ROUTE_NO_REPLICA'],
  });
}

function checkRelays({ ends }: World<ThreeEnds>): void {
  expect(ends.relayCount).toBe(0);
}

describe('relaying under any schedule', () => {
  it('delivers every byte once and in order, or ends with a code at both ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 6 }),
        fc.array(step, { minLength: 5, maxLength: 80 }),
        async (plans, steps) => {
          const world = worldOf(plans);
          world.connectAll();
          world.open();
          for (const taken of steps) await world.take(taken);
          await world.heal();
          world.check();
          checkRelays(world);
          await world.end();
        },
      ),
      runs,
    );
  });

  it('keeps fifty streams alive through five hundred cuts and twenty deaths of the relay', async () => {
    const plans = manyPlans(50, 300_000);
    const world = worldOf(plans);
    const mend = (): void => {
      for (const hop of [0, 1]) {
        const living = world.ends.pairs.filter((pair) => pair.hop === hop && !isOver(pair));
        for (let links = living.length; links < 2; links += 1) {
          const { there, back } = world.ends.connect(hop);
          there.bytesPerTurn = back.bytesPerTurn = 20_000;
        }
      }
    };
    mend();
    for (const _ of plans) world.open();
    const next = sameNumbers();
    for (let cuts = 0; cuts < 500; cuts += 1) {
      await world.turns(next(8));
      await world.take(cuts % 25 === 24 ? { do: 'kill' } : { do: 'cut', which: next(6) });
      await turn();
      world.ends.clock.run(next(200));
      mend();
    }
    await world.heal();
    world.checkWhole();
    world.check();
    checkRelays(world);
    await world.end();
  });
});

function isOver({ opening, accepting }: ThreeEnds['pairs'][number]): boolean {
  return opening.isClosed || accepting.isClosed;
}
