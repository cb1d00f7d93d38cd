import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { watchBeats, type Beating } from '../../../src/supervisor/beat-watch.ts';
import { cleanup } from '../../support/cleanup.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const BEAT = LIMITS.workerBeatMs;
const HUNG = LIMITS.workerHungMs;

function watched() {
  const clock = new FakeClock();
  const worker: Beating = { lastBeat: clock.now() };
  const hung: Beating[] = [];
  let looks = 0;
  const watch = watchBeats({
    clock,
    workers: () => [worker],
    onHung: (one) => hung.push(one),
    onLook: () => (looks += 1),
  });
  cleanup(() => watch.cancel());
  return { clock, worker, hung, watch, looks: () => looks };
}

describe('watchBeats()', () => {
  it('finds one that was silent for too long, and not sooner', () => {
    const { clock, worker, hung } = watched();
    clock.run(HUNG - 1);
    expect(hung).toEqual([]);
    clock.run(1);
    expect(hung).toEqual([worker]);
  });

  it('leaves one alone that beats', () => {
    const { clock, worker, hung, looks } = watched();
    for (let passed = 0; passed < 10 * HUNG; passed += BEAT) {
      worker.lastBeat = clock.now();
      clock.run(BEAT);
    }
    expect(hung).toEqual([]);
    expect(looks()).toBe((10 * HUNG) / BEAT);
  });

  it.each(['the process', 'the machine'])('waits anew when %s did not run', (what) => {
    const { clock, worker, hung } = watched();
    clock.run(HUNG - BEAT);
    if (what === 'the process') clock.freeze(HUNG);
    else clock.setWall(HUNG);
    clock.run(BEAT);
    expect(hung).toEqual([]);
    clock.run(HUNG);
    expect(hung).toContain(worker);
  });

  it('ends when it is cancelled', () => {
    const { clock, watch } = watched();
    clock.run(BEAT);
    watch.cancel();
    expect(clock.pending).toBe(0);
  });
});
