import { describe, expect, it } from '@jest/globals';

import type { Clock, Timer } from '../../../../src/core/clock.ts';
import { watchSleep } from '../../../../src/transport/watch/sleep-watch.ts';

const HOUR_MS = 3_600_000;

/** Both clocks and the one timer of a watch, moved by hand. */
class HandClock implements Clock {
  #now = 1_000;
  #wall = Date.UTC(2026, 0, 1);
  #timer: { at: number; callback: () => void } | undefined;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.#now + delayMs, callback };
    this.#timer = timer;
    return {
      cancel: () => {
        if (this.#timer === timer) this.#timer = undefined;
      },
    };
  }

  get hasTimer(): boolean {
    return this.#timer !== undefined;
  }

  /** Lets `ms` pass while the process runs. */
  run(ms: number): void {
    const end = this.#now + ms;
    while (this.#timer !== undefined && this.#timer.at <= end) {
      const { at, callback } = this.#timer;
      this.#pass(Math.max(0, at - this.#now));
      this.#timer = undefined;
      callback();
    }
    this.#pass(end - this.#now);
  }

  /** The process does not run for `monotonicMs`, while the wall clock goes `wallMs` further; then timers fire. */
  sleep(monotonicMs: number, wallMs: number): void {
    this.#now += monotonicMs;
    this.#wall += wallMs;
    this.run(0);
  }

  setWall(byMs: number): void {
    this.#wall += byMs;
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#wall += ms;
  }
}

function start(): { clock: HandClock; wakes: () => number; watch: Timer } {
  const clock = new HandClock();
  let wakes = 0;
  const watch = watchSleep(clock, () => {
    wakes += 1;
  });
  return { clock, wakes: () => wakes, watch };
}

describe('watchSleep()', () => {
  it('stays quiet while time passes as it should', () => {
    const { clock, wakes } = start();
    clock.run(24 * HOUR_MS);
    expect(wakes()).toBe(0);
  });

  it('M14 notices a suspend during which monotonic time stood still, within one interval', () => {
    const { clock, wakes } = start();
    clock.run(10_000);
    clock.sleep(0, HOUR_MS);
    clock.run(2_000);
    expect(wakes()).toBe(1);
  });

  it('M14 notices a pause during which both clocks went on', () => {
    const { clock, wakes } = start();
    clock.run(10_000);
    clock.sleep(HOUR_MS, HOUR_MS);
    expect(wakes()).toBe(1);
  });

  it('M14 notices a stopped VM whose wall clock was not mended', () => {
    const { clock, wakes } = start();
    clock.sleep(HOUR_MS, 0);
    expect(wakes()).toBe(1);
  });

  it('tells of each sleep once', () => {
    const { clock, wakes } = start();
    for (let sleeps = 1; sleeps <= 3; sleeps += 1) {
      clock.sleep(0, HOUR_MS);
      clock.run(60_000);
      expect(wakes()).toBe(sleeps);
    }
  });

  it('forgives a timer that comes a little late', () => {
    const { clock, wakes } = start();
    clock.sleep(2_000 + 5_000, 2_000 + 5_000);
    clock.run(60_000);
    expect(wakes()).toBe(0);
  });

  it('does not take a wall clock that is set back for sleep', () => {
    const { clock, wakes } = start();
    clock.setWall(-HOUR_MS);
    clock.run(60_000);
    expect(wakes()).toBe(0);
  });

  it('leaves no timer when it is cancelled, also from inside its callback', () => {
    const { clock, watch } = start();
    clock.run(5_000);
    watch.cancel();
    expect(clock.hasTimer).toBe(false);

    const other = new HandClock();
    const second: Timer = watchSleep(other, () => second.cancel());
    other.sleep(HOUR_MS, HOUR_MS);
    expect(other.hasTimer).toBe(false);
  });
});
