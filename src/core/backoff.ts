/**
 * Full-jitter exponential backoff: each wait is uniform in [0, ceiling), and the ceiling doubles up to `maxMs`.
 * Spreading over the whole interval is what keeps a thousand connectors from dialling in step.
 */
export interface BackoffOptions {
  /** The first ceiling, ms. Default 50. */
  readonly baseMs?: number;
  /** The largest ceiling, ms. Default 30_000. */
  readonly maxMs?: number;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

export const BACKOFF_DEFAULTS = {
  baseMs: 50,
  maxMs: 30_000,
  random: Math.random,
} as const satisfies Required<BackoffOptions>;

export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempt = 0;

  constructor(options: BackoffOptions = {}) {
    this.#options = { ...BACKOFF_DEFAULTS, ...options };
  }

  /** How many waits were handed out since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next wait, ms. */
  next(): number {
    const { baseMs, maxMs, random } = this.#options;
    // 2 ** 40 already exceeds any ceiling; the cap keeps the power finite after months of trying.
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempt, 40));
    this.#attempt += 1;
    return Math.round(random() * ceiling);
  }

  /** Starts again from `baseMs`. Call it once the thing has worked for a while, not at the first sign of life. */
  reset(): void {
    this.#attempt = 0;
  }
}
