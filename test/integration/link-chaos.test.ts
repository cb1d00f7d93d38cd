/**
 * The TCP connections under the links are killed, a thousand times and everywhere, under a hundred live streams: every
 * byte arrives once and in order, and the streams move again at once.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges, type Exchange } from '../support/exchange.ts';
import type { Gateway } from '../support/gateway.ts';
import type { LinkProxy } from '../support/link-proxy.ts';
import { startBreakablePostern } from '../support/postern.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const HOSTNAME = 'chaos.postern.test';
const KILLS = 1_000;
/**
 * Links of each of two connectors: as many as there may be, so that a thousand kills take half a minute and each link
 * lives for a while.
 */
const LINKS = 16;
/** Streams that live through all of it, and places of short ones that follow each other. */
const STEADY = 90;
const SHORT = 10;
/** How long a live stream may stand still, ms: generous on a busy machine. */
const STILL_MS = 14_000;

let gateway: Gateway;
let connector: Connector;
let other: Connector;
let path: LinkProxy;
let exchanges: Exchanges;

beforeAll(async () => {
  exchanges = await Exchanges.start();
  const ingress = [{ hostname: HOSTNAME, service: exchanges.origin.service }];
  const config = { 'ha-connections': LINKS };
  ({ gateway, connector, path } = await startBreakablePostern({
    tcp: [HOSTNAME],
    ingress,
    connector: { config },
  }));
  const { tunnel } = connector;
  other = await startConnector({ gateway, ingress, config, tunnel, via: [path] });
  await other.linksUp();
});

describe('a hundred live streams', () => {
  it(`survive ${KILLS} cuts of their links`, async () => {
    const random = new SeededRandom();
    const port = gateway.tcpPort(HOSTNAME);
    const steady = Array.from({ length: STEADY }, () =>
      exchanges.begin(port, { up: Infinity, down: Infinity, paceMs: 40, chunkBytes: 1 * KiB }),
    );
    await eventually(() => steady.every(({ hasArrived }) => hasArrived));
    const shorts = new ShortExchanges(random, port);
    const since = performance.now();
    const killer = new Killer(path, random);
    await Promise.race([killer.kill(KILLS), shorts.failed, ...steady.map(({ done }) => done)]);
    const seconds = (performance.now() - since) / 1000;
    for (const exchange of steady) exchange.finish();
    await Promise.all(steady.map(({ done }) => done));
    await shorts.finish();
    const still = Math.max(
      ...[...steady, ...shorts.finished].map(({ longestGapMs }) => longestGapMs),
    );
    const bytes = [...steady, ...shorts.finished].reduce((sum, { received }) => sum + received, 0);
    const resumed = await gateway.metric('postern_gateway_stream_resumes_total', { outcome: 'ok' });
    say(
      `${killer.kills} links killed in ${seconds.toFixed(1)} s (${JSON.stringify(killer.ways)}), ${resumed} resumes, ` +
        `${STEADY} streams throughout and ${shorts.finished.length} short ones (${shorts.refused} refused), ${(bytes / MiB).toFixed(0)} MiB; ` +
        `slowest stood still for ${Math.round(still)} ms`,
    );
    expect(killer.kills).toBeGreaterThanOrEqual(KILLS);
    expect(still).toBeLessThan(STILL_MS);
    expect(await gateway.metric('postern_gateway_proto_errors_total')).toBe(0);
    const ended = await gateway.metric('postern_gateway_streams_total');
    expect(await gateway.metric('postern_gateway_streams_total', { outcome: 'ok' })).toBe(ended);
    await nothingLeft();
  }, 300_000);
});

/** Keeps SHORT exchanges of random sizes going, one after the other in each place. */
class ShortExchanges {
  /** Rejects when one of them fails. */
  readonly failed: Promise<never>;
  readonly finished: Exchange[] = [];
  /** Connections that came when no link was up. */
  refused = 0;
  readonly #random: SeededRandom;
  readonly #port: number;
  readonly #places: Promise<void>[];
  #isEnding = false;

  constructor(random: SeededRandom, port: number) {
    this.#random = random;
    this.#port = port;
    cleanup(() => (this.#isEnding = true));
    this.#places = Array.from({ length: SHORT }, () => this.#follow());
    this.failed = new Promise((_resolve, reject) => {
      for (const place of this.#places) place.catch(reject);
    });
    this.failed.catch(() => undefined);
  }

  async finish(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#places);
  }

  async #follow(): Promise<void> {
    while (!this.#isEnding) {
      const exchange = exchanges.begin(this.#port, { up: this.#size(), down: this.#size() });
      try {
        await exchange.done;
        this.finished.push(exchange);
      } catch (error) {
        // With no link at all a new connection is refused. One that reached the origin may not be lost any more.
        if (exchange.hasArrived) throw error;
        this.refused += 1;
        await traffic();
      }
    }
  }

  /** Often nothing, mostly little, now and then more than a window. */
  #size(): number {
    return this.#random.next() < 0.15 ? 0 : this.#random.magnitude(1 * MiB);
  }
}

/** Kills links in every way there is. */
class Killer {
  readonly #path: LinkProxy;
  readonly #random: SeededRandom;
  readonly ways: Record<string, number> = {};
  #kills = 0;

  constructor(linkPath: LinkProxy, random: SeededRandom) {
    this.#path = linkPath;
    this.#random = random;
  }

  get kills(): number {
    return this.#kills;
  }

  async kill(count: number): Promise<void> {
    while (this.#kills < count) {
      await traffic();
      const dice = this.#random.next();
      if (dice < 0.72) await this.#atByte('at a byte', 1 * MiB);
      else if (dice < 0.97) this.#one();
      else if (dice < 0.985) this.#all();
      else await this.#duringAttach();
    }
  }

  /** The link that carries a certain byte of all that is carried from now on. */
  async #atByte(way: string, most: number): Promise<void> {
    const burnt = this.#path.cutAfterBytes(this.#random.magnitude(most), this.#kind());
    await burnt;
    this.#count(way, 1);
  }

  #one(): void {
    this.#path.cutOne(this.#random.below(this.#path.connections()), this.#kind());
    this.#count('any one', 1);
  }

  #all(): void {
    this.#count('all at once', this.#path.cutAll(this.#kind()));
  }

  /** All, and then the next one within its first bytes: TLS, registration, OPEN and ACCEPT of every stream. */
  async #duringAttach(): Promise<void> {
    this.#all();
    const before = this.#path.accepted();
    await eventually(() => this.#path.accepted() > before, {
      everyMs: 1,
      deadlineMs: 30_000,
      what: 'a dial',
    });
    await this.#atByte('while attaching', 64 * KiB);
  }

  #kind(): 'reset' | 'fin' {
    return this.#random.next() < 0.7 ? 'reset' : 'fin';
  }

  #count(way: string, links: number): void {
    this.#kills += links;
    this.ways[way] = (this.ways[way] ?? 0) + links;
  }
}

/** Resolves when streams move, over half of the links or more: a path that breaks, and not one that is broken. */
async function traffic(): Promise<void> {
  const before = exchanges.received;
  const moves = (): boolean =>
    path.connections() >= LINKS && exchanges.received - before > 64 * KiB;
  await eventually(moves, { everyMs: 2, deadlineMs: 30_000, what: 'traffic on the links' });
}

/** Whatever the links went through: no stream is left at either end, and no connection at the origin. */
async function nothingLeft(): Promise<void> {
  await Promise.all([connector.linksUp(), other.linksUp()]);
  await eventually(
    async () => {
      expect(exchanges.origin.connections()).toBe(0);
      expect(await gateway.metric('postern_gateway_streams_open')).toBe(0);
      expect(await gateway.metric('postern_gateway_detached_streams')).toBe(0);
    },
    { deadlineMs: 30_000 },
  );
  expect(exchanges.strays).toBe(0);
}
