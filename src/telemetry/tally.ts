/** Counts by label values, for one counter. The caller bounds which values there can be. */
export class Tally {
  readonly #labelNames: readonly string[];
  readonly #counts = new Map<string, { readonly values: readonly string[]; count: number }>();

  /** @param labelNames In the order in which add() takes their values. */
  constructor(...labelNames: readonly string[]) {
    this.#labelNames = labelNames;
  }

  /** Counts one more under these label values. */
  add(...values: readonly string[]): void {
    this.addMany(1, ...values);
  }

  /** Counts so many more. */
  addMany(count: number, ...values: readonly string[]): void {
    const key = values.join(' ');
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { values, count });
    else entry.count += count;
  }

  /** Every count so far, with its labels and `more` of them. */
  *samples(
    more: Readonly<Record<string, string>> = {},
  ): Generator<[labels: Record<string, string>, value: number]> {
    for (const { values, count } of this.#counts.values()) {
      const own = this.#labelNames.map((name, index) => [name, values[index] ?? '']);
      yield [{ ...more, ...Object.fromEntries(own) }, count];
    }
  }
}
