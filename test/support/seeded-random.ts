/**
 * Random choices that can be made again: the seed is printed, and `POSTERN_TEST_SEED` brings the same choices back.
 * What a network does with them still differs from run to run.
 */
import { say } from './say.ts';

export class SeededRandom {
  readonly seed: number;
  #state: number;

  /** Prints the seed. */
  constructor(
    seed = Number(process.env['POSTERN_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32)),
  ) {
    this.seed = seed;
    this.#state = seed >>> 0;
    say(`POSTERN_TEST_SEED=${seed}`);
  }

  /** Uniform in [0, 1). Mulberry32: small, and good enough to choose where to cut. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** A whole number from 1 to `most`, each order of magnitude as likely as the next. */
  magnitude(most: number): number {
    return Math.max(1, Math.floor(Math.exp(this.next() * Math.log(most))));
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new Error('Cannot pick one of nothing');
    return picked;
  }
}
