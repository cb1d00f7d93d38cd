/**
 * How long things take, as a histogram that is read when somebody scrapes.
 *
 * The text is that of prom-client's own. That one checks and hashes its labels at each observation, which three times for each HTTP
 * request is more than all other counting together. The caller bounds which values of labels there can be.
 */
import type { Histogram, Registry } from 'prom-client';

export interface ScrapedHistogramOptions {
  readonly name: string;
  readonly help: string;
  /** In the order in which observe() takes their values. */
  readonly labelNames?: readonly string[];
  /** Upper bounds, each larger than the one before. Whatever is larger still is counted without a bucket. */
  readonly buckets: readonly number[];
}

/** One value of the metric, as prom-client's registry takes it. */
interface HistogramValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export class ScrapedHistogram {
  // Named as those of prom-client's metrics, among which it stands.
  readonly name: string;
  readonly type = 'histogram';
  readonly labelNames: readonly string[];
  readonly #help: string;
  readonly #buckets: readonly number[];
  readonly #series = new Map<string, Series>();

  /** Adds it to the registry. Without labels it is there at once; each other series comes with its first observation. */
  constructor(registry: Registry, options: ScrapedHistogramOptions) {
    const { name, help, labelNames = [], buckets } = options;
    this.name = name;
    this.#help = help;
    this.labelNames = labelNames;
    this.#buckets = buckets;
    if (labelNames.length === 0) this.#create('', []);
    // Of a metric the registry uses its name and get().
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    registry.registerMetric(this as unknown as Histogram);
  }

  /** Counts one more under these label values. */
  observe(value: number, ...labels: readonly string[]): void {
    const key = labels.join(' ');
    (this.#series.get(key) ?? this.#create(key, labels)).observe(value);
  }

  /** Forgets a series. */
  remove(...labels: readonly string[]): void {
    this.#series.delete(labels.join(' '));
  }

  /** For the registry: all of it. */
  async get(): Promise<object> {
    const values = [...this.#series.values()].flatMap((one) => one.valuesOf(this.name));
    return { name: this.name, help: this.#help, type: this.type, values, aggregator: 'sum' };
  }

  #create(key: string, labels: readonly string[]): Series {
    const named = this.labelNames.map((name, index) => [name, labels[index] ?? '']);
    const series = new Series(this.#buckets, Object.fromEntries(named));
    this.#series.set(key, series);
    return series;
  }
}

class Series {
  readonly #buckets: readonly number[];
  readonly #labels: Readonly<Record<string, string>>;
  /** By bucket, those of smaller ones not included; the last has what is larger than all of them. */
  readonly #counts: number[];
  #sum = 0;

  constructor(buckets: readonly number[], labels: Readonly<Record<string, string>>) {
    this.#buckets = buckets;
    this.#labels = labels;
    this.#counts = Array<number>(buckets.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#buckets.findIndex((bound) => value <= bound);
    const at = found === -1 ? this.#buckets.length : found;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  valuesOf(name: string): HistogramValue[] {
    let count = 0;
    const buckets = this.#counts.map((counted, index) => {
      count += counted;
      const le = this.#buckets[index] ?? '+Inf';
      return { metricName: `${name}_bucket`, labels: { le, ...this.#labels }, value: count };
    });
    const labels = this.#labels;
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
