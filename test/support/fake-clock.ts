/**
 * A clock that a test moves by hand: nothing happens by itself, and everything that was due happens in order.
 *
 * Starts at a time other than 0, so that code which takes 0 for "never" is found out.
 */
import type { Clock, Timer } from '../../src/core/clock.ts';

interface Due {
  readonly at: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #now = 1_000;
  #wall = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<Due>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wall;
  }

  after(delayMs: number, callback: () => void): Timer {
    const due = { at: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(due);
    return { cancel: () => void this.#timers.delete(due) };
  }

  /** Timers that were set and have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass. Timers fire when they are due, in order, also those that timers set. */
  run(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#pass(Math.max(0, due.at - this.#now));
      this.#timers.delete(due);
      due.callback();
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

  #next(end: number): Due | undefined {
    let next: Due | undefined;
    for (const due of this.#timers) {
      if (due.at <= end && (next === undefined || due.at < next.at)) next = due;
    }
    return next;
  }
}
