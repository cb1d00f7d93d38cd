/** The text of our histograms is compared with that of prom-client's. */
import { expect, test } from '@jest/globals';
import { Histogram, Registry } from 'prom-client';
import { ScrapedHistogram } from '../../../src/telemetry/scraped-histogram.ts';

const BUCKETS = [0.005, 0.1, 2.5];
const VALUES = [0, 0.005, 0.006, 0.1, 2.5, 2.500001, 1_000];

function pair(labelNames: string[]) {
  const ours = new Registry();
  const theirs = new Registry();
  const options = { name: 'wait_seconds', help: 'A "wait".\nLong.', labelNames, buckets: BUCKETS };
  return {
    ours,
    theirs,
    own: new ScrapedHistogram(ours, options),
    prom: new Histogram({ ...options, registers: [theirs] }),
  };
}

test('a histogram without labels has the text of prom-client before and after its first value', async () => {
  const { ours, theirs, own, prom } = pair([]);
  expect(await ours.metrics()).toBe(await theirs.metrics());
  for (const value of VALUES) {
    own.observe(value);
    prom.observe(value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
  expect(await ours.metrics()).toContain('wait_seconds_bucket{le="+Inf"} 7');
});

test('a histogram with labels has the text of prom-client, also of values that must be escaped', async () => {
  const { ours, theirs, own, prom } = pair(['application', 'status_class']);
  expect(await ours.metrics()).toBe(await theirs.metrics());
  for (const application of ['wiki', '', 'a "b"\\\n']) {
    for (const value of VALUES) {
      own.observe(value, application, '2xx');
      prom.observe({ application, status_class: '2xx' }, value);
    }
  }
  own.observe(3, 'wiki', '5xx');
  prom.observe({ application: 'wiki', status_class: '5xx' }, 3);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('a series that was removed is gone, and begins anew', async () => {
  const { ours, theirs, own, prom } = pair(['application']);
  for (const application of ['wiki', 'shop']) {
    own.observe(1, application);
    prom.observe({ application }, 1);
  }
  own.remove('wiki');
  prom.remove({ application: 'wiki' });
  expect(await ours.metrics()).toBe(await theirs.metrics());
  own.observe(0.01, 'wiki');
  prom.observe({ application: 'wiki' }, 0.01);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('a histogram is found in the registry as JSON, with the values of its buckets', async () => {
  const { ours, own } = pair(['application']);
  own.observe(0.05, 'wiki');
  const [metric] = await ours.getMetricsAsJSON();
  expect(metric).toMatchObject({ name: 'wait_seconds', type: 'histogram', aggregator: 'sum' });
  expect(metric?.values.map(({ value }) => value)).toEqual([0, 1, 1, 1, 0.05, 1]);
});
