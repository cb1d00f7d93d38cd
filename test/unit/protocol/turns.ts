/** Waiting in tests of the protocol: turns of the event loop, never time. */

/** One turn of the event loop. */
export async function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Enough turns for frames to go there and back a few times. */
export async function settle(turns = 12): Promise<void> {
  for (let left = turns; left > 0; left -= 1) await turn();
}

/** Turns until `condition` holds. Throws after very many. */
export async function turnsUntil(condition: () => boolean, what = 'the condition'): Promise<void> {
  for (let left = 100_000; !condition(); left -= 1) {
    if (left === 0) throw new Error(`Cannot wait for ${what}: not so after 100,000 turns`);
    await turn();
  }
}
