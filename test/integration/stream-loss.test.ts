/**
 * A connector that is killed takes its streams with it. Their clients get a reset and never an end that looks complete, and
 * new connections are served by whoever is left, at once.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { say } from '../support/say.ts';
import {
  connectPairs,
  pingPair,
  startHandingOrigin,
  watchEnds,
  type HandingOrigin,
  type TcpPair,
} from '../support/tcp-pair.ts';

const HOSTNAME = 'killed.postern.test';
const RESUME_MS = 2_000;
/** What may pass beyond a time limit on a busy machine, ms. */
const LATE_MS = 20_000;
const STREAMS = 30;

describe('streams whose connector was killed', () => {
  let gateway: Gateway;
  let origin: HandingOrigin;
  let doomed: Connector;
  let other: Connector;
  let pairs: readonly TcpPair[];

  beforeAll(async () => {
    const config = { 'resume-timeout': `${RESUME_MS / 1000}s` };
    gateway = await startGateway({ tcp: [HOSTNAME], config });
    origin = await startHandingOrigin();
    const ingress = [{ hostname: HOSTNAME, service: origin.service }];
    doomed = await startConnector({ gateway, ingress });
    other = await startConnector({ gateway, ingress, tunnel: doomed.tunnel });
    await Promise.all([doomed.linksUp(), other.linksUp()]);
    pairs = await connectPairs(gateway.tcpPort(HOSTNAME), origin, STREAMS);
  });

  it('are reset after the resume timeout, and new ones go elsewhere at once', async () => {
    guardLinks(other);
    const share = await doomed.metric('postern_connector_streams_open');
    expect(share).toBeGreaterThanOrEqual(STREAMS / 3);
    for (const pair of pairs) await pingPair(pair);
    const endings = watchEnds(pairs.map(({ client }) => client));
    const since = performance.now();
    doomed.process.kill('SIGKILL');
    await doomed.process.exited;
    // The kernel has closed its links by now; the gateway has yet to read that.
    await eventually(async () => (await gateway.metric('postern_gateway_replicas')) === 1);
    const leftMs = Math.round(performance.now() - since);
    // While the old ones still wait for their connector, which cannot come back:
    const fresh = await connectPairs(gateway.tcpPort(HOSTNAME), origin, STREAMS);
    for (const pair of fresh) await pingPair(pair);
    await eventually(() => endings.size === share, { deadlineMs: RESUME_MS + LATE_MS });
    const times = [...endings.values()].map(({ afterMs }) => afterMs);
    const [first, last] = [Math.min(...times), Math.max(...times)];
    say(`left after ${leftMs} ms; ${share} streams were reset after ${first} to ${last} ms`);
    expect([...endings.values()].filter(({ end }) => end !== 'reset')).toEqual([]);
    expect(first).toBeGreaterThan(RESUME_MS * 0.9);
    for (const pair of pairs) if (!endings.has(pair.client)) await pingPair(pair);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(2 * STREAMS - share);
    for (const { client } of [...pairs, ...fresh]) client.resetAndDestroy();
    await eventually(async () => (await gateway.metric('postern_gateway_streams_open')) === 0);
  });
});
