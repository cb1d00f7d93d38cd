/**
 * Links that fall silent: packets stop and nothing is closed, at both ends or at one. Dead-peer detection finds out, and
 * the streams go on elsewhere. And links that do not come back in time: the streams end at both ends, with an error.
 * The waiting takes most of the time, so all cases wait at once.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../src/core/limits.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges, type Exchange } from '../support/exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { readMetric } from '../support/ops-client.ts';
import { resetSocket } from '../support/real/peer-end.ts';
import { say } from '../support/say.ts';
import { pour } from '../support/tcp-client.ts';
import {
  connectPairs,
  pingPair,
  startHandingOrigin,
  watchEnds,
  type Ending,
  type HandingOrigin,
  type TcpPair,
} from '../support/tcp-pair.ts';

const LINKS = 4;
/** Streams of each case, the same number on each link. */
const STREAMS = 5 * LINKS;
/** What may pass between the dead-peer limit and the first byte over another link, on a busy machine, ms. */
const MOVE_MS = 12_000;

/** The gateway of the streams that no link comes back for keeps them for so long, ms. */
const RESUME_MS = 2_000;
/** Streams of that case: enough for what they hold to be seen beside what any traffic leaves behind. */
const ABANDONED = 150;
const AWAY = 'away.postern.test';
const MiB = 1024 * 1024;
/** Streams are open when the suite is over, and nothing is left to show by waiting for them. */
const NO_GRACE = { 'grace-period': '0s' };

/** A connector with streams through a path of its own. */
interface Case {
  readonly connector: Connector;
  /** What the connector dials, and what is behind it, before the gateway. */
  readonly near: LinkProxy;
  readonly far: LinkProxy;
  readonly streams: readonly Exchange[];
}

let gateway: Gateway;
let exchanges: Exchanges;
let oneSilent: Promise<number[]>;
let allSilent: Promise<number[]>;
let halfKnown: Promise<number[]>;
let shortSilence: Promise<number[]>;
let abandoned: Abandoned;

beforeAll(async () => {
  exchanges = await Exchanges.start();
  abandoned = await abandon();
  const names = ['one', 'all', 'half', 'short'].map((name) => `${name}.postern.test`);
  gateway = await startGateway({ tcp: names, config: NO_GRACE });
  const [one, all, half, short] = await Promise.all(names.map((name) => startCase(name)));
  if (!one || !all || !half || !short) throw new Error('Cannot happen: four were started');
  oneSilent = run(one, async () => {
    one.far.blackhole(0);
    await moved(one, LIMITS.deadPeerMs + MOVE_MS);
  });
  allSilent = run(all, async () => {
    for (let link = 0; link < LINKS; link += 1) all.far.blackhole(link);
    await moved(all, LIMITS.deadPeerMs + MOVE_MS);
  });
  halfKnown = run(half, async () => {
    for (let link = 0; link < LINKS; link += 1) half.far.blackhole(link);
    half.near.cutAll();
    await moved(half, MOVE_MS);
  });
  const guard = guardLinks(short.connector);
  shortSilence = run(short, async () => {
    short.far.blackhole();
    const since = performance.now();
    await eventually(() => performance.now() - since > LIMITS.deadPeerMs / 2, {
      deadlineMs: LIMITS.deadPeerMs,
    });
    await short.far.restore();
    await moved(short, MOVE_MS);
    guard.check();
  });
});

describe('streams', () => {
  it('leave one silent link of four, and those on the others notice nothing', async () => {
    const gaps = await oneSilent;
    say(`stood still: ${shown(gaps)}`);
    const waited = gaps.filter((gap) => gap > LIMITS.deadPeerMs / 2);
    expect(waited).toHaveLength(STREAMS / LINKS);
    expect(Math.max(...gaps)).toBeLessThan(LIMITS.deadPeerMs + MOVE_MS);
  });

  it('move when all four links fall silent at once', async () => {
    const gaps = await allSilent;
    say(`stood still: ${shown(gaps)}`);
    expect(Math.max(...gaps)).toBeLessThan(LIMITS.deadPeerMs + MOVE_MS);
  });

  it('move at once when the connector knows and the gateway does not', async () => {
    const gaps = await halfKnown;
    say(`stood still: ${shown(gaps)}`);
    expect(Math.max(...gaps)).toBeLessThan(MOVE_MS);
  });

  it('sit out a shorter silence on their links', async () => {
    const gaps = await shortSilence;
    say(`stood still: ${shown(gaps)}`);
    expect(Math.max(...gaps)).toBeLessThan(LIMITS.deadPeerMs / 2 + MOVE_MS);
  });

  it('break no rule of the protocol on the way', async () => {
    expect(await gateway.metric('postern_gateway_proto_errors_total')).toBe(0);
  });
});

describe('streams for which no link comes back in time', () => {
  it('are reset at both ends, and free their memory', async () => {
    const { impatient, connector, held } = abandoned;
    const { clients, servers } = await abandoned.ended;
    const times = [clients, servers].map((endings) => shown(endings.map(({ afterMs }) => afterMs)));
    say(`clients were reset after ${times[0]}, origins after ${times[1]}`);
    for (const { end } of [...clients, ...servers]) expect(end).toBe('reset');
    expect(await impatient.metric('postern_gateway_detached_streams')).toBe(0);
    await eventually(async () => (await connector.metric('postern_connector_streams_open')) === 0);
    await connector.linksUp(LINKS);
    const enough = (held.before + held.detached) / 2;
    let after = Infinity;
    const areFreed = async (): Promise<boolean> => {
      await makeTraffic(abandoned);
      after = await heldBytes(impatient);
      return after < enough;
    };
    await eventually(areFreed, { deadlineMs: 30_000, what: 'their memory to be freed' });
    const mib = [held.before, held.detached, after].map((bytes) => (bytes / MiB).toFixed(1));
    say(`the gateway held ${mib.join(', then ')} MiB`);
  }, 120_000);
});

interface Abandoned {
  readonly impatient: Gateway;
  readonly connector: Connector;
  readonly origin: HandingOrigin;
  readonly ended: Promise<{
    readonly clients: readonly Ending[];
    readonly servers: readonly Ending[];
  }>;
  /** Buffers of the gateway without the streams, and with all of them detached, in bytes. */
  readonly held: { readonly before: number; readonly detached: number };
}

/** Streams with full windows lose all links at once, for longer than their gateway waits. Resolves when they are lost. */
async function abandon(): Promise<Abandoned> {
  const hostname = AWAY;
  const config = { ...NO_GRACE, 'resume-timeout': `${RESUME_MS / 1000}s` };
  const impatient = await startGateway({ tcp: [hostname], config });
  const path = await startLinkProxy({ target: { port: impatient.ports.https } });
  const origin = await startHandingOrigin();
  const ingress = [{ hostname, service: origin.service }];
  const connector = await startConnector({
    gateway: impatient,
    ingress,
    via: [path],
    config: NO_GRACE,
  });
  await connector.linksUp(LINKS);
  const before = await heldBytes(impatient);
  const pairs = await connectPairs(impatient.tcpPort(hostname), origin, ABANDONED);
  for (const { client, server } of pairs) {
    pour(client);
    pour(server);
  }
  await eventually(async () => (await heldBytes(impatient)) > before + ABANDONED * 0.25 * MiB, {
    deadlineMs: MOVE_MS,
  });
  await path.refuse();
  path.cutAll();
  const detached = await heldBytes(impatient);
  const ended = allEnded(pairs, path);
  ended.catch(() => undefined);
  return { impatient, connector, origin, ended, held: { before, detached } };
}

/** New traffic has the collector look at what the lost streams left behind. */
async function makeTraffic({ impatient, origin }: Abandoned): Promise<void> {
  const [pair] = await connectPairs(impatient.tcpPort(AWAY), origin, 1);
  if (pair === undefined) throw new Error('Cannot happen: one was opened');
  await pingPair(pair);
  pour(pair.server);
  pair.client.resume();
  await eventually(() => pair.client.bytesRead > 200 * MiB, { deadlineMs: 20_000 });
  resetSocket(pair.client);
}

async function allEnded(pairs: readonly TcpPair[], path: LinkProxy): Abandoned['ended'] {
  const clients = watchEnds(pairs.map(({ client }) => client));
  const servers = watchEnds(pairs.map(({ server }) => server));
  await eventually(() => clients.size === pairs.length, { deadlineMs: RESUME_MS + MOVE_MS });
  // Too late for the gateway; the connector cannot know that.
  await path.restore();
  await eventually(() => servers.size === pairs.length, {
    deadlineMs: RESUME_MS + LIMITS.deadPeerMs + MOVE_MS,
  });
  return { clients: [...clients.values()], servers: [...servers.values()] };
}

/** Bytes of buffers that the gateway holds, by its own account. */
function heldBytes({ ports }: Gateway): Promise<number> {
  return readMetric(ports.metrics, 'nodejs_external_memory_bytes');
}

async function startCase(hostname: string): Promise<Case> {
  const far = await startLinkProxy({ target: { port: gateway.ports.https } });
  const near = await startLinkProxy({ target: { port: far.port } });
  const ingress = [{ hostname, service: exchanges.origin.service }];
  const connector = await startConnector({ gateway, ingress, via: [near], config: NO_GRACE });
  await connector.linksUp(LINKS);
  const streams = Array.from({ length: STREAMS }, () =>
    exchanges.begin(gateway.tcpPort(hostname), {
      up: Infinity,
      down: Infinity,
      paceMs: 100,
      chunkBytes: 512,
    }),
  );
  await eventually(() => streams.every(({ received }) => received > 10_000), {
    deadlineMs: 30_000,
  });
  return { connector, near, far, streams };
}

/** Lets something happen to the links, then ends all streams. Returns how long each stood still at most, ms. */
async function run({ streams }: Case, happen: () => Promise<void>): Promise<number[]> {
  const ends = Promise.all(streams.map(({ done }) => done));
  await Promise.race([happen(), ends]);
  for (const stream of streams) stream.finish();
  await ends;
  return streams.map(({ longestGapMs }) => longestGapMs);
}

/** Resolves when every stream has moved at both ends since now. */
async function moved({ streams }: Case, deadlineMs: number): Promise<void> {
  // What the kernel and the proxies had under way still arrives.
  const before = streams.map(({ receivedAt }) => receivedAt);
  const enough = 3_000;
  await eventually(
    () =>
      streams.every(({ receivedAt }, i) => {
        const { client = 0, origin = 0 } = before[i] ?? {};
        return receivedAt.client - client > enough && receivedAt.origin - origin > enough;
      }),
    { deadlineMs, what: 'all streams to move' },
  );
}

function shown(gaps: readonly number[]): string {
  const [shortest, longest] = [Math.min(...gaps), Math.max(...gaps)];
  return `${Math.round(shortest)} to ${Math.round(longest)} ms`;
}
