import { expect, it } from '@jest/globals';

import { Replica } from '../../../src/connector/replica.ts';
import { ConnectorMetrics } from '../../../src/telemetry/connector-metrics.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { cleanup } from '../../support/cleanup.ts';
import { freePort } from '../../support/real/port.ts';

/** A connector whose gateway is not there. */
async function start(onDialFailed: (error: unknown) => void = () => undefined): Promise<Replica> {
  const replica = new Replica({
    gateways: [`https://127.0.0.1:${await freePort()}`],
    token: 'a token',
    tunnelName: 'web',
    rules: [],
    linkCount: 2,
    proxy: 'none',
    onDialFailed,
    log: createLog({ component: 'connector', destination: { write: () => undefined } }),
    metrics: new ConnectorMetrics({ version: '0' }),
  });
  void replica.start();
  cleanup(() => replica.stop());
  return replica;
}

it('linksUp() waits no longer than it is told for links that cannot be had', async () => {
  const replica = await start();
  const since = performance.now();
  await replica.linksUp(200);
  expect(performance.now() - since).toBeGreaterThan(190);
  expect(replica.linkCount).toBe(0);
});

it('linksUp() does not wait for a connector that stops', async () => {
  const replica = await start();
  const waiting = replica.linksUp(60_000);
  await replica.stop();
  await waiting;
});

it('tells why a link could not be registered', async () => {
  const error = await new Promise((resolve) => void start(resolve));
  expect(error).toMatchObject({ code: 'LINK_REFUSED' });
});

it('a drain without end takes no longer than one that is asked for later', async () => {
  const replica = await start();
  const forever = replica.drain(Infinity);
  expect(replica.isDraining).toBe(true);
  expect(await Promise.all([forever, replica.drain(0)])).toEqual([0, 0]);
});
