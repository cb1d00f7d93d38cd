/** A token bucket: `perSecond` on average, with a burst of as many. Used against peers that flood a link. */
export class RateLimit {
  readonly #perSecond: number;
  #tokens: number;
  #at = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Takes one token at monotonic time `now` (ms); false when there is none. */
  take(now: number): boolean {
    const refill = ((now - this.#at) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
