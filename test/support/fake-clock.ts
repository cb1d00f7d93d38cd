/**
 * A clock that a test moves by hand: nothing happens by itself, and everything that was due happens in order.
 *
 * Starts at a time other than 0, so that code which takes 0 for "never" is found out.
 */
import type { Clock, Timer } from '../../src/core/clock.ts';

interface Due {
  readonly at: number;
  readonly callback: () => void;
  isOff: boolean;
}

export class FakeClock implements Clock {
  #now = 1_000;
  #wall = Date.UTC(2026, 0, 1);
  /** In the order in which they are due, with those that were cancelled. */
  #timers: Due[] = [];
  #pending = 0;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  after(delayMs: number, callback: () => void): Timer {
    const due = { at: this.#now + Math.max(0, delayMs), callback, isOff: false };
    this.#timers.splice(this.#firstAfter(due.at), 0, due);
    this.#pending += 1;
    return { cancel: () => this.#switchOff(due) };
  }

  /** Timers that were set and have neither fired nor been cancelled. */
  get pending(): number {
    return this.#pending;
  }

  /** Lets `ms` pass. Timers fire when they are due, in order, also those that timers set. */
  run(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#timers[0]; next !== undefined && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      if (next.isOff) continue;
      this.#pass(Math.max(0, next.at - this.#now));
      this.#switchOff(next);
      next.callback();
    }
    this.#pass(end - this.#now);
  }

  /** The process does not run for `ms`: time passes and nothing fires before the next `run`. */
  freeze(ms: number): void {
    this.#pass(ms);
  }

  /** Somebody sets the wall clock, or the machine slept with its monotonic clock stopped. */
  setWall(byMs: number): void {
    this.#wall += byMs;
  }

  #pass(ms: number): void {
    this.#now += ms;
    this.#wall += ms;
  }

  #switchOff(due: Due): void {
    if (!due.isOff) this.#pending -= 1;
    due.isOff = true;
  }

  /** Where a timer belongs that is due at `at`: behind all that are due then or before. */
  #firstAfter(at: number): number {
    let [low, high] = [0, this.#timers.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle] as Due).at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
