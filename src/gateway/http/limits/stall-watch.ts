/**
 * Looks once a second at what waits for users, so that no request needs a timer of its own: bodies that do not come, and
 * responses that are not taken.
 *
 * Runs only while a request is under way. Holds the bodies that are being read, each as long as its request. Cases P31.
 */
import type { HttpLimits } from '../../../config/http-limits.ts';
import { systemClock, type Clock, type Timer } from '../../../core/clock.ts';
import { LIMITS } from '../../../core/limits.ts';

/** A body that is being read. */
export interface WatchedBody {
  /** Told the time of the clock, ms; fails by itself where it has waited too long. */
  look(now: number): void;
}

/** Connections whose users may be slow. */
interface WatchedUsers {
  /** Ends what has had something for its user for more than `mostMs`, of which they took nothing. */
  cutStalled(now: number, mostMs: number): void;
}

export interface StallWatchOptions {
  /** Default the system's. */
  readonly clock?: Clock | undefined;
  readonly limits: () => Pick<HttpLimits, 'sendTimeoutMs'>;
  readonly users: readonly WatchedUsers[];
  /** Whether there is nothing to look at. */
  readonly isIdle: () => boolean;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #clock: Clock;
  readonly #bodies = new Set<WatchedBody>();
  #timer: Timer | undefined;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** A request is under way. */
  wake(): void {
    this.#timer ??= this.#clock.after(LIMITS.stallLookMs, () => this.#look());
  }

  /** The time of its clock, ms. */
  now(): number {
    return this.#clock.now();
  }

  /** Looks at a body until delete(). */
  add(body: WatchedBody): void {
    this.#bodies.add(body);
    this.wake();
  }

  /** Safe to call twice. */
  delete(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  /** Looks no more. */
  stop(): void {
    this.#timer?.cancel();
    this.#bodies.clear();
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const body of this.#bodies) body.look(now);
    const { sendTimeoutMs } = this.#options.limits();
    if (sendTimeoutMs > 0) {
      for (const users of this.#options.users) users.cutStalled(now, sendTimeoutMs);
    }
    if (!this.#options.isIdle()) this.wake();
  }
}
