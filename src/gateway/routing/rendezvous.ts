/**
 * Choosing one of several by a key, without any memory: rendezvous hashing.
 *
 * One that leaves or joins changes the choice only for the keys that it had or gets. Pure.
 */
import { createHash } from 'node:crypto';

/** The one that this key leads to; undefined without any. `nameOf` gives each a name of its own. */
export function chooseByKey<One>(
  all: Iterable<One>,
  key: string,
  nameOf: (one: One) => string,
): One | undefined {
  let best: { one: One; score: string } | undefined;
  for (const one of all) {
    const score = keyScore(key, nameOf(one));
    if (best === undefined || score > best.score) best = { one, score };
  }
  return best?.one;
}

/** What a name counts for a key: the highest is chosen. */
export function keyScore(key: string, name: string): string {
  return createHash('sha256').update(`${key}\n${name}`).digest('hex');
}
