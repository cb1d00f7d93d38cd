/** A token bucket: `perSecond` on average. Used against peers that flood a link, and to be no such peer. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;

  /** `burst` is how many may come at once; by default what one second brings. */
  constructor(perSecond: number, burst: number = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Whether there is a token at monotonic time `now` (ms). */
  hasToken(now: number): boolean {
    const refill = ((now - this.#at) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#burst, this.#tokens + refill);
    this.#at = now;
    return this.#tokens >= 1;
  }

  /** Takes one token at monotonic time `now` (ms); false when there is none. */
  take(now: number): boolean {
    if (!this.hasToken(now)) return false;
    this.#tokens -= 1;
    return true;
  }
}
