/**
 * How long fuzzing goes on: seconds in CI, as long as wanted by hand.
 *
 * `FUZZ_RUNS=100 npm test -- test/fuzz` runs a hundred times as many cases. A failure prints its seed and path; put both
 * into the options here to see it again.
 */
import { jest } from '@jest/globals';

/** The most one property takes in CI, ms. */
const LIMIT_MS = 9_000;

const TIMES = Number(process.env['FUZZ_RUNS'] ?? 1);

export interface FuzzOptions {
  readonly numRuns: number;
  readonly interruptAfterTimeLimit: number;
}

/** Options for `fc.assert`: `runs` cases, fewer on a slow machine, more when asked for. */
export function fuzzOptions(runs: number): FuzzOptions {
  jest.setTimeout(LIMIT_MS * TIMES + 120_000);
  return { numRuns: runs * TIMES, interruptAfterTimeLimit: LIMIT_MS * TIMES };
}
