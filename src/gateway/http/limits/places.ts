/**
 * Places that are taken and given back, counted by key: how much of something one address or application has at once.
 *
 * A key is known as long as it has a place, so there are never more keys than places taken.
 */

/** One place. release() gives it back; call it once. */
export interface Place {
  release(): void;
}

export class Places {
  readonly #taken = new Map<string, KeyCount>();

  /** Keys that have a place. */
  get size(): number {
    return this.#taken.size;
  }

  /** Takes a place for a key; undefined where it has `most` of them. */
  take(key: string, most: number): Place | undefined {
    const known = this.#taken.get(key);
    if (known === undefined) {
      if (most < 1) return undefined;
      const count = new KeyCount(this.#taken, key);
      this.#taken.set(key, count);
      return count;
    }
    if (known.count >= most) return undefined;
    known.count += 1;
    return known;
  }
}

/** One for each key, and not for each place: there is one for each request. */
class KeyCount implements Place {
  count = 1;
  readonly #all: Map<string, KeyCount>;
  readonly #key: string;

  constructor(all: Map<string, KeyCount>, key: string) {
    this.#all = all;
    this.#key = key;
  }

  release(): void {
    this.count -= 1;
    if (this.count === 0) this.#all.delete(this.#key);
  }
}
