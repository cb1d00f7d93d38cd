/**
 * Requests that have ended and are still to be told of: logged, counted, shown to whoever watches.
 *
 * That takes an eighth of what serving one does, and no user waits for it. So many are told together and between other things:
 * the next request of a user comes first, and lines that are made together are one write. See docs/operations.md "Logs".
 */
import { systemClock, type Clock, type Timer } from '../../../core/clock.ts';
import type { RequestSummary } from './request-record.ts';

/** How long one waits at most, ms. What a process that is killed has not told is lost. */
const TELL_WITHIN_MS = 10;
/** How many wait at most: these are told at once. */
const MOST_UNTOLD = 64;

export class EndedRequests {
  readonly #tell: (summary: RequestSummary) => void;
  readonly #clock: Clock;
  #untold: RequestSummary[] = [];
  #timer: Timer | undefined;

  /** `tell` is called once for each, in the order in which they ended. */
  constructor(tell: (summary: RequestSummary) => void, clock: Clock = systemClock) {
    this.#tell = tell;
    this.#clock = clock;
  }

  add(summary: RequestSummary): void {
    this.#untold.push(summary);
    if (this.#untold.length >= MOST_UNTOLD) this.tellAll();
    else this.#timer ??= this.#clock.after(TELL_WITHIN_MS, () => this.tellAll());
  }

  /** Tells of all now: for somebody who looks, and for the end. */
  tellAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const untold = this.#untold;
    this.#untold = [];
    for (const summary of untold) this.#tell(summary);
  }
}
