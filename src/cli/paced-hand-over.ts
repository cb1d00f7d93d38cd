/**
 * Hands over to a new process because files have changed: one attempt at a time, with a pause between two, and the last change wins.
 * docs/operations.md "Changed files".
 *
 * A process that has taken over begins with a pause as well, so that files which never come to rest replace processes slowly.
 * Knows nothing of files: who watches them says when it wants one, and whether it still does.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { hasCode } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';

export interface PacedHandOverOptions {
  readonly clock: Clock;
  /** Resolves once another process has taken over. */
  readonly handOver: () => Promise<void>;
  /** It was not even tried, with RELOAD_BUSY, and will be after a pause. */
  readonly onBusy: (error: unknown) => void;
  /** An attempt has failed which is still wanted. It is not made again. */
  readonly onFailed: (error: unknown) => void;
}

export class PacedHandOver {
  readonly #options: PacedHandOverOptions;
  /** When the next attempt may begin, on the monotonic clock, ms. */
  #notBefore: number;
  #timer: Timer | undefined;
  #isUnderWay = false;
  #isWanted = false;
  /** What is wanted came after the attempt under way had begun. */
  #isAgain = false;

  constructor(options: PacedHandOverOptions) {
    this.#options = options;
    this.#notBefore = options.clock.now() + LIMITS.handOverPauseMs;
  }

  /** Hands over as soon as may be. */
  want(): void {
    this.#isWanted = true;
    this.#isAgain = this.#isUnderWay;
    this.#plan();
  }

  /** No longer. An attempt under way ends as it will. */
  drop(): void {
    this.#isWanted = false;
    this.#isAgain = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #plan(): void {
    if (this.#isUnderWay || this.#timer !== undefined) return;
    const { clock } = this.#options;
    const waitMs = Math.max(0, this.#notBefore - clock.now());
    this.#timer = clock.after(waitMs, () => void this.#attempt());
  }

  async #attempt(): Promise<void> {
    const { clock, handOver, onBusy, onFailed } = this.#options;
    this.#timer = undefined;
    this.#isUnderWay = true;
    let isBusy = false;
    try {
      await handOver();
    } catch (error) {
      isBusy = hasCode(error, 'RELOAD_BUSY');
      if (this.#isWanted && !this.#isAgain) (isBusy ? onBusy : onFailed)(error);
    }
    this.#isUnderWay = false;
    this.#notBefore = clock.now() + LIMITS.handOverPauseMs;
    const isDue = this.#isAgain || (isBusy && this.#isWanted);
    this.#isAgain = false;
    if (isDue) this.#plan();
  }
}
