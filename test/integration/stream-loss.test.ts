/**
 * Streams that cannot go on: their connector was killed, or no link came back in time. Both ends get an error, never an
 * end that looks complete; nothing stays in memory; and new connections are served by whoever is left, at once.
 */
import type { Socket } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../src/core/limits.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { readMetric } from '../support/ops-client.ts';
import { whenPeerEnds, type PeerEnd } from '../support/real/peer-end.ts';
import { say } from '../support/say.ts';
import { pour } from '../support/tcp-client.ts';
import {
  connectPair,
  startHandingOrigin,
  type HandingOrigin,
  type TcpPair,
} from '../support/tcp-pair.ts';

const MiB = 1024 * 1024;
const RESUME_MS = 2_000;
/** What may pass beyond a time limit on a busy machine, ms. */
const LATE_MS = 8_000;
const STREAMS = 30;
const AWAY = 'away.postern.test';
const KILLED = 'killed.postern.test';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({
    tcp: [AWAY, KILLED],
    config: { 'resume-timeout': `${RESUME_MS / 1000}s` },
  });
}, 60_000);

/** How an end of a connection ended, and when, in ms after `since`. */
interface Ending {
  readonly end: PeerEnd;
  readonly afterMs: number;
}

describe('streams whose connector was killed', () => {
  let origin: HandingOrigin;
  let connectors: readonly Connector[];
  let pairs: readonly TcpPair[];

  beforeAll(async () => {
    origin = await startHandingOrigin();
    const ingress = [{ hostname: KILLED, service: origin.service }];
    const first = await startConnector({ gateway, ingress });
    const second = await startConnector({ gateway, ingress, tunnel: first.tunnel });
    await Promise.all([first.linksUp(), second.linksUp()]);
    connectors = [first, second];
    pairs = await openPairs(KILLED, origin);
  }, 60_000);

  it('are reset after the resume timeout, and new ones go elsewhere at once', async () => {
    const [doomed, other] = connectors;
    if (doomed === undefined || other === undefined) throw new Error('Cannot happen');
    guardLinks(other);
    const share = await doomed.metric('postern_connector_streams_open');
    expect(share).toBeGreaterThanOrEqual(STREAMS / 3);
    const since = performance.now();
    const endings = new Map<TcpPair, Ending>();
    for (const pair of pairs) watchEnd(pair.client, since, (ending) => endings.set(pair, ending));
    doomed.process.kill('SIGKILL');
    await doomed.process.exited;
    // The kernel has closed its links by now; the gateway has yet to read that.
    await eventually(async () => (await gateway.metric('postern_gateway_replicas')) === 1);
    const leftMs = Math.round(performance.now() - since);
    // While the old ones still wait for their connector, which cannot come back:
    const fresh = await openPairs(KILLED, origin);
    for (const { client, server } of fresh) await ping(client, server);
    await eventually(() => endings.size === share, { deadlineMs: RESUME_MS + LATE_MS });
    const times = [...endings.values()].map(({ afterMs }) => afterMs);
    say(
      `left after ${leftMs} ms; ${share} reset after ${Math.round(Math.min(...times))} to ${Math.round(Math.max(...times))} ms`,
    );
    expect([...endings.values()].filter(({ end }) => end !== 'reset')).toEqual([]);
    expect(Math.min(...times)).toBeGreaterThan(RESUME_MS * 0.9);
    for (const pair of pairs) if (!endings.has(pair)) await ping(pair.client, pair.server);
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(2 * STREAMS - share);
    for (const { client } of [...pairs, ...fresh]) client.resetAndDestroy();
    await eventually(async () => (await gateway.metric('postern_gateway_streams_open')) === 0);
  }, 60_000);
});

describe('streams that stay detached for too long', () => {
  /** Enough for what they hold to be seen beside what any traffic leaves behind. */
  const DETACHED = 150;

  let origin: HandingOrigin;
  let connector: Connector;
  let path: LinkProxy;

  beforeAll(async () => {
    origin = await startHandingOrigin();
    path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const ingress = [{ hostname: AWAY, service: origin.service }];
    connector = await startConnector({ gateway, ingress, via: [path] });
    await connector.linksUp();
  }, 60_000);

  it('are reset at both ends, and free their memory', async () => {
    const held = (): Promise<number> => externalBytes(gateway.ports.metrics);
    const heldBefore = await held();
    const pairs = await openPairs(AWAY, origin, DETACHED);
    // Every window full both ways, as nobody reads.
    for (const { client, server } of pairs) {
      pour(client);
      pour(server);
    }
    await eventually(async () => (await held()) > heldBefore + DETACHED * 0.25 * MiB);
    await path.refuse();
    const since = performance.now();
    path.cutAll();
    const heldDetached = await held();
    const clients: Ending[] = [];
    const servers: Ending[] = [];
    for (const { client, server } of pairs) {
      watchEnd(client.resume(), since, (ending) => clients.push(ending));
      watchEnd(server.resume(), since, (ending) => servers.push(ending));
    }
    await eventually(() => clients.length === DETACHED, { deadlineMs: RESUME_MS + LATE_MS });
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
    expect(await gateway.metric('postern_gateway_detached_streams')).toBe(0);
    await eventually(() => servers.length === DETACHED, {
      deadlineMs: RESUME_MS + LIMITS.deadPeerMs + LATE_MS,
    });
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
    say(`clients: ${shown(clients)}; origins: ${shown(servers)}`);
    for (const { end } of [...clients, ...servers]) expect(end).toBe('reset');
    await path.restore();
    await connector.linksUp(undefined, 40_000);
    const [after] = await openPairs(AWAY, origin, 1);
    if (after === undefined) throw new Error('Cannot happen: one was opened');
    await ping(after.client, after.server);
    // New traffic has the collector look at what the lost streams left behind.
    pour(after.server);
    after.client.resume();
    await eventually(() => after.client.bytesRead > 200 * MiB, { deadlineMs: 20_000 });
    after.client.resetAndDestroy();
    const heldAfter = await held();
    const mib = [heldBefore, heldDetached, heldAfter].map((bytes) => (bytes / MiB).toFixed(1));
    say(`the gateway held ${mib.join(', then ')} MiB`);
    expect(heldAfter).toBeLessThan((heldBefore + heldDetached) / 2);
  }, 120_000);
});

async function openPairs(
  hostname: string,
  origin: HandingOrigin,
  count = STREAMS,
): Promise<TcpPair[]> {
  const pairs: TcpPair[] = [];
  while (pairs.length < count) pairs.push(await connectPair(gateway.tcpPort(hostname), origin));
  return pairs;
}

/** One byte there and one back. */
async function ping(client: Socket, server: Socket): Promise<void> {
  client.write('?');
  await nextByte(server, '?');
  server.write('!');
  await nextByte(client, '!');
}

function nextByte(socket: Socket, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => {
      if (chunk.toString() === wanted) resolve();
      else reject(new Error(`Cannot accept "${chunk.toString()}": it is not "${wanted}"`));
    });
    socket.once('close', () => reject(new Error('Cannot wait for a byte: the connection closed')));
  });
}

function watchEnd(socket: Socket, since: number, told: (ending: Ending) => void): void {
  whenPeerEnds(socket, (end) => told({ end, afterMs: performance.now() - since }));
}

function shown(endings: readonly Ending[]): string {
  const times = endings.map(({ afterMs }) => Math.round(afterMs));
  return `${Math.min(...times)} to ${Math.max(...times)} ms`;
}

/** Bytes of buffers that a process holds, by its own account. */
function externalBytes(metricsPort: number): Promise<number> {
  return readMetric(metricsPort, 'nodejs_external_memory_bytes');
}
