/**
 * Links killed at chosen moments: at every place of a short stream's life, while streams attach again, between FIN and its
 * acknowledgement, and all links at once.
 */
import { once } from 'node:events';

import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges, type Exchange } from '../support/exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { patternBytes, PatternCheck } from '../support/pattern.ts';
import { say } from '../support/say.ts';
import { connectPair, startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

const KiB = 1024;
/** How long a stream may stand still after a cut, on a busy machine, ms. */
const STILL_MS = 14_000;
/** A link that lived for less than 250 ms is dialled again more slowly, as a gateway that drops it would be. */
const PROVEN_MS = 300;
/** Long enough for an acknowledgement to be under way when the test has seen what it acknowledges. */
const DELAY_MS = 10;

/** A connector with a path of its own. */
interface Tunnelled {
  readonly connector: Connector;
  readonly path: LinkProxy;
  /** The gateway's port that leads to its origin. */
  readonly port: number;
}

let gateway: Gateway;
let exchanges: Exchanges;
let handing: HandingOrigin;
let narrow: Tunnelled;
let wide: Tunnelled;
let slow: Tunnelled;

beforeAll(async () => {
  exchanges = await Exchanges.start();
  handing = await startHandingOrigin();
  const tcp = ['narrow', 'wide', 'slow'].map((name) => `${name}.postern.test`);
  gateway = await startGateway({ tcp });
  [narrow, wide, slow] = await Promise.all([
    startTunnelled('narrow.postern.test', exchanges.origin.service, { links: 1 }),
    startTunnelled('wide.postern.test', exchanges.origin.service, { links: 4 }),
    startTunnelled('slow.postern.test', handing.service, { links: 4, delayMs: DELAY_MS }),
  ]);
});

async function startTunnelled(
  hostname: string,
  service: string,
  { links, delayMs = 0 }: { readonly links: number; readonly delayMs?: number },
): Promise<Tunnelled> {
  const path = await startLinkProxy({ target: { port: gateway.ports.https }, delayMs });
  const connector = await startConnector({
    gateway,
    ingress: [{ hostname, service }],
    via: [path],
    // What is open when the suite is over is not waited for.
    config: { 'ha-connections': links, 'grace-period': '0s' },
  });
  await connector.linksUp(links);
  return { connector, path, port: gateway.tcpPort(hostname) };
}

afterEach(async () => {
  await eventually(async () => {
    expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
    expect(exchanges.origin.connections()).toBe(0);
  });
  expect(await gateway.metric('postern_gateway_proto_errors_total')).toBe(0);
  const ended = await gateway.metric('postern_gateway_streams_total');
  expect(await gateway.metric('postern_gateway_streams_total', { outcome: 'ok' })).toBe(ended);
  expect(exchanges.strays).toBe(0);
});

describe('a link killed', () => {
  it('at any place of a short stream loses nothing of it', async () => {
    const { path, port } = narrow;
    let cuts = 0;
    let refused = 0;
    for (let bytes = 1; bytes < 1_600; bytes += 64) {
      await linksProven(narrow);
      void path.cutAfterBytes(bytes, bytes % 128 === 1 ? 'reset' : 'fin').then(() => (cuts += 1));
      const stream = exchanges.begin(port, { up: 300, down: 400 });
      await stream.done.catch((error: unknown) => {
        // The link was dead before there was a stream. What was lost later is counted by its outcome.
        if (stream.hasArrived) throw error;
        refused += 1;
      });
    }
    // What did not burn down must not cut later.
    void path.cutAfterBytes(Infinity);
    say(`${cuts} cuts in 25 streams; ${refused} came too late`);
    expect(cuts).toBeGreaterThan(15);
  });

  it('while streams attach again only makes them try again', async () => {
    const { path } = narrow;
    await linksProven(narrow);
    const streams = begin(narrow, 25);
    await arrived(streams);
    const since = performance.now();
    let cuts = 0;
    // TLS and registration, then OPEN and ACCEPT of each stream, then what waited to be sent.
    for (let bytes = 500; bytes < 20_000; bytes += 1_700) {
      await linksProven(narrow);
      const dials = path.accepted();
      path.cutAll();
      await eventually(() => path.accepted() > dials, { everyMs: 1, deadlineMs: STILL_MS });
      await path.cutAfterBytes(bytes);
      cuts += 2;
      await moved(streams);
    }
    say(`${cuts} cuts in ${seconds(since)} s; slowest stood still for ${slowest(streams)} ms`);
    await finish(streams);
  });
});

describe('all four links killed at once', () => {
  const ROUNDS = 8;

  it('let a hundred streams go on at once', async () => {
    const streams = begin(wide, 100);
    await arrived(streams);
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await linksProven(wide);
      const since = performance.now();
      expect(wide.path.cutAll(round % 2 === 0 ? 'reset' : 'fin')).toBe(4);
      await moved(streams);
      times.push(performance.now() - since);
    }
    times.sort((a, b) => a - b);
    const [median, longest] = [times[ROUNDS / 2] ?? 0, times.at(-1) ?? 0];
    say(
      `all streams moved after ${Math.round(median)} ms (median), ${Math.round(longest)} ms at most`,
    );
    await finish(streams);
    expect(longest).toBeLessThan(STILL_MS);
  });
});

describe('a link killed between FIN and its acknowledgement', () => {
  const ROUNDS = 4;

  it.each(['on its way', 'arrived'] as const)(
    'with the FIN %s, ends the stream well',
    async (fin) => {
      const { path, port } = slow;
      for (let round = 0; round < ROUNDS; round += 1) {
        await linksProven(slow);
        const { client, server } = await connectPair(port, handing);
        const [up, down] = [new PatternCheck(), new PatternCheck()];
        server.on('data', (chunk: Buffer) => up.push(chunk));
        client.on('data', (chunk: Buffer) => down.push(chunk));
        // First the client ends, then the origin; each time the links die before anybody can know that it arrived.
        const clientEnds = once(server, 'end');
        client.end(patternBytes(10 * KiB));
        if (fin === 'on its way') path.cutAll();
        await clientEnds;
        if (fin === 'arrived') path.cutAll();
        const originEnds = once(client, 'end');
        server.end(patternBytes(20 * KiB));
        if (fin === 'on its way') {
          await eventually(async () => (await linksOf(slow)) > 0);
          path.cutAll();
        }
        await originEnds;
        path.cutAll();
        expect([up.bytes, down.bytes]).toEqual([10 * KiB, 20 * KiB]);
        await eventually(() => client.closed && server.closed);
        expect([client.errored, server.errored]).toEqual([null, null]);
      }
    },
  );
});

/** Links that the gateway sees. */
function linksOf({ connector }: Tunnelled): Promise<number> {
  return gateway.metric('postern_gateway_links', { tunnel: connector.tunnel.name });
}

/** Resolves when all links have been up for long enough to be dialled again at once. */
async function linksProven(tunnelled: Tunnelled): Promise<void> {
  const count = tunnelled === narrow ? 1 : 4;
  let since = performance.now();
  const probe = async (): Promise<boolean> => {
    if ((await linksOf(tunnelled)) !== count) since = performance.now();
    return performance.now() - since > PROVEN_MS;
  };
  await eventually(probe, { deadlineMs: STILL_MS, what: `${count} links` });
}

function begin({ port }: Tunnelled, count: number): Exchange[] {
  const plan = { up: Infinity, down: Infinity, paceMs: 30, chunkBytes: 512 };
  return Array.from({ length: count }, () => exchanges.begin(port, plan));
}

async function arrived(streams: readonly Exchange[]): Promise<void> {
  await eventually(() => streams.every(({ received }) => received > KiB), { deadlineMs: STILL_MS });
}

/** Resolves when every stream has moved at both ends. */
async function moved(streams: readonly Exchange[]): Promise<void> {
  const before = streams.map(({ receivedAt }) => receivedAt);
  const probe = (): boolean =>
    streams.every(({ receivedAt }, i) => {
      const { client = 0, origin = 0 } = before[i] ?? {};
      return receivedAt.client > client && receivedAt.origin > origin;
    });
  await eventually(probe, { everyMs: 2, deadlineMs: STILL_MS, what: 'every stream to move' });
}

async function finish(streams: readonly Exchange[]): Promise<void> {
  for (const stream of streams) stream.finish();
  await Promise.all(streams.map(({ done }) => done));
}

function slowest(streams: readonly Exchange[]): number {
  return Math.round(Math.max(...streams.map(({ longestGapMs }) => longestGapMs)));
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
