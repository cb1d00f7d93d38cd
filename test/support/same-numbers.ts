/** Numbers without a pattern, and the same in every run: where a failure must come back the next time. */

/** The next whole number from 0 to `below` - 1, each time it is called (Lehmer's generator). */
export function sameNumbers(seed = 1): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}
