/**
 * Metrics that are read when somebody scrapes, from numbers that are kept elsewhere.
 *
 * Counting is then an addition to a field, cheap enough for every chunk of every stream; and a series is gone as soon as
 * its numbers are. prom-client's own counters hash their labels on each increment.
 */
import { Counter, Gauge, type Registry } from 'prom-client';

/** Labels of one series, and its value. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

export interface ScrapedMetric {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  /** Called at each scrape. Must not throw. */
  readonly read: () => Iterable<Sample>;
}

/** Adds a value that goes up and down. */
export function addGauge(registry: Registry, metric: ScrapedMetric): void {
  const gauge = new Gauge({
    name: metric.name,
    help: metric.help,
    labelNames: metric.labelNames ?? [],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const [labels, value] of metric.read()) gauge.set(labels, value);
    },
  });
}

/** Adds a value that only goes up. Its name ends with `_total`. */
export function addCounter(registry: Registry, metric: ScrapedMetric): void {
  const counter = new Counter({
    name: metric.name,
    help: metric.help,
    labelNames: metric.labelNames ?? [],
    registers: [registry],
    collect: () => {
      counter.reset();
      for (const [labels, value] of metric.read()) counter.inc(labels, value);
    },
  });
}

/** Adds the metric that says which version runs: always 1. */
export function addBuildInfo(registry: Registry, name: string, version: string): void {
  const labels = { version, node: process.versions.node };
  addGauge(registry, {
    name,
    help: 'The version of Postern and of Node.js that runs. Always 1.',
    labelNames: Object.keys(labels),
    read: () => [[labels, 1]],
  });
}
