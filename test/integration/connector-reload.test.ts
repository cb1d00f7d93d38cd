/**
 * A connector that is reloaded under load: nobody who uses it notices, whatever they have open, and nothing is left behind.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { startForward, type RunningForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { childrenOf, isRunning, reloadBySignal } from '../support/connector-reload.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges } from '../support/exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { isReady, metricBecomes } from '../support/ops-client.ts';
import { startHttpOrigin } from '../support/real/http-origin.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { askEcho, askHttp, SteadyRequests } from '../support/steady-requests.ts';

const WEB = 'web.postern.test';
const ECHO = 'echo.postern.test';
const RAW = 'raw.postern.test';
const RELOADS = 5;

let gateway: Gateway;
let connector: Connector;
let exchanges: Exchanges;
let forward: RunningForward;

beforeAll(async () => {
  const [web, echo] = await Promise.all([startHttpOrigin(), startEcho()]);
  exchanges = await Exchanges.start();
  gateway = await startGateway({ tcp: [ECHO, RAW] });
  connector = await startConnector({
    gateway,
    ingress: [
      { hostname: WEB, service: web.service },
      { hostname: ECHO, service: echo.service },
      { hostname: RAW, service: exchanges.origin.service },
    ],
    // As most people run it.
    config: { 'grace-period': undefined },
  });
  await connector.linksUp();
  forward = await startForward({ gateway, hostname: RAW });
});

describe('a connector that is reloaded under load', () => {
  it(`loses no request and no byte in ${RELOADS} reloads, and leaves no process behind`, async () => {
    const users = [
      new SteadyRequests({ users: 6, ask: askHttp(gateway, WEB, '/slow?ms=5') }),
      new SteadyRequests({ users: 2, ask: askEcho(gateway.tcpPort(ECHO)) }),
    ];
    const probes = new SteadyRequests({ users: 1, ask: askReady(connector.metricsPort) });
    const streams = [forward.port, gateway.tcpPort(RAW)].map((port) =>
      exchanges.begin(port, { up: Infinity, down: Infinity, paceMs: 5 }),
    );
    await eventually(() => streams.every(({ hasArrived }) => hasArrived));

    const pids = [connector.process.pid];
    for (let reload = 0; reload < RELOADS; reload += 1) pids.push(await reloadBySignal(connector));
    for (const stream of streams) stream.finish();
    await Promise.all(streams.map(({ done }) => done));

    const asked = (await Promise.all([...users, probes].map((one) => one.stop()))).flat();
    expect(asked.filter(({ failure }) => failure !== undefined)).toEqual([]);
    say(`${asked.length} requests in ${RELOADS} reloads, none failed`);

    const [first, last] = [connector.process.pid, pids.at(-1)];
    await eventually(() => expect(childrenOf(first)).toEqual([last]));
    expect(pids.filter(isRunning)).toEqual([first, last]);
    expect(await isReady(connector.metricsPort)).toBe(true);
    const { metrics } = gateway.ports;
    await metricBecomes(metrics, 'postern_gateway_replicas', 1);
  });
});

/** Asks a connector whether it is ready, and wants it to be, each time over a new connection. */
function askReady(port: number): () => Promise<string | undefined> {
  return async () => ((await isReady(port)) ? undefined : 'not ready');
}
