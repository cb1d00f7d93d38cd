/**
 * Who starts first, and who starts again, does not matter: a connector keeps trying and is ready by itself.
 *
 * Names are broken and mended in a mount namespace of the connector's own; see support/own-resolver.ts.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { BACKOFF_DEFAULTS } from '../../src/core/backoff.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway, startGateway } from '../support/gateway.ts';
import type { LogRecord } from '../support/json-log.ts';
import { isReady } from '../support/ops-client.ts';
import { OwnResolver } from '../support/own-resolver.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';

const HOSTNAME = 'web.postern.test';

/** What "within seconds" is taken to be, with a machine that has other work. */
const SECONDS_MS = 20_000;

let origin: HttpOrigin;

beforeAll(async () => {
  origin = await startHttpOrigin();
});

const ingress = () => [{ hostname: HOSTNAME, service: origin.service }];

const serves = async (gateway: Gateway): Promise<number> =>
  (await gateway.fetch(HOSTNAME, '/status/204')).status;

describe('a gateway that comes after its connector', () => {
  it('is found by itself, after tries with exponential full jitter', async () => {
    const gateway = await Gateway.create();
    // Once, for the CA that the connector is given.
    await gateway.start();
    const tunnel = await gateway.createTunnel('early', [HOSTNAME]);
    await gateway.stop();

    const connector = await startConnector({
      gateway,
      tunnel,
      ingress: ingress(),
      waitUntilReady: false,
    });
    const tries = await failedDials(connector, 7, 'LINK_REFUSED');
    expect(await isReady(connector.metricsPort)).toBe(false);

    // Only one link asks until it is registered, and each wait is anywhere below a ceiling that doubles.
    expect(new Set(tries.map(({ linkId }) => linkId))).toEqual(new Set([0]));
    expect(tries.map(({ attempt }) => attempt)).toEqual(tries.map((_, index) => index + 1));
    const waits = tries.map(({ waitMs }) => Number(waitMs));
    waits.forEach((waitMs, index) => {
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(waitMs).toBeLessThanOrEqual(BACKOFF_DEFAULTS.baseMs * 2 ** index);
    });
    expect(new Set(waits).size).toBeGreaterThan(3);

    await gateway.start();
    await connector.ready(SECONDS_MS);
    expect(await serves(gateway)).toBe(204);
    await connector.linksUp();
    expect(connector.process.exit).toBeUndefined();
  });
});

describe('a gateway that stops and starts again under a running connector', () => {
  let gateway: Gateway;
  let connector: Connector;

  beforeAll(async () => {
    gateway = await startGateway();
    connector = await startConnector({ gateway, ingress: ingress() });
    await connector.linksUp();
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'after %s it is served again within seconds',
    async (signal) => {
      await gateway.stop(signal);
      await eventually(async () => !(await isReady(connector.metricsPort)));
      await gateway.start();
      await connector.ready(SECONDS_MS);
      expect(await serves(gateway)).toBe(204);
      await connector.linksUp(4, SECONDS_MS);
    },
  );
});

describe('the name of the gateway', () => {
  it('may be broken when the connector starts, and again while it runs', async () => {
    const resolver = new OwnResolver();
    const gateway = await startGateway();
    const name = 'gw.postern.test';
    const known = { [name]: '127.0.0.1' };
    const connector = await startConnector({
      gateway,
      ingress: ingress(),
      inside: resolver.inside,
      config: { gateway: `https://${name}:${gateway.ports.https}` },
      waitUntilReady: false,
    });
    await failedDials(connector, 3, 'LINK_DNS');
    expect(await isReady(connector.metricsPort)).toBe(false);

    resolver.know(known);
    await connector.ready(SECONDS_MS);
    await connector.linksUp();
    expect(await serves(gateway)).toBe(204);

    // Links that are up need no name.
    resolver.know({});
    expect(await serves(gateway)).toBe(204);
    const before = connector.log.length;
    await gateway.restart('SIGKILL');
    await eventually(() => expect(dialErrors(connector.log.slice(before))).toContain('LINK_DNS'), {
      deadlineMs: SECONDS_MS,
    });
    expect(await isReady(connector.metricsPort)).toBe(false);

    resolver.know(known);
    await connector.ready(SECONDS_MS);
    expect(await serves(gateway)).toBe(204);
    expect(connector.process.exit).toBeUndefined();
  });
});

/** The first failed dials, once there are that many; each must have failed with `code`. */
async function failedDials(
  connector: Connector,
  count: number,
  code: string,
): Promise<LogRecord[]> {
  return eventually(
    () => {
      const failed = connector.log.filter(({ msg }) => msg === 'cannot connect to the gateway');
      expect(failed.length).toBeGreaterThanOrEqual(count);
      const first = failed.slice(0, count);
      expect(dialErrors(first)).toEqual(first.map(() => code));
      return first;
    },
    { deadlineMs: 20_000, what: `${count} failed dials` },
  );
}

function dialErrors(records: readonly LogRecord[]): unknown[] {
  const failed = records.filter(({ msg }) => msg === 'cannot connect to the gateway');
  return failed.map(({ errCode }) => errCode);
}
