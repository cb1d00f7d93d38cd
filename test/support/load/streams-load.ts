/**
 * TCP connections that carry the pattern both ways, through a plain TCP port of the gateway or a local port of `access tcp`:
 * some that live from the first moment to the last, and places of short ones that follow each other. Each ends with FIN
 * both ways, and only then have all its bytes been compared.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { Exchange, Exchanges, ExchangePlan } from '../exchange.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { FailureHow } from './load.ts';
import { UsersLoad } from './users-load.ts';

export interface StreamsLoadOptions {
  readonly kind: 'tcp port' | 'access tcp';
  /** Has the origin to which the port leads. */
  readonly exchanges: Exchanges;
  readonly port: number;
  readonly random: SeededRandom;
  /** How many live throughout, as they are planned; one after the other. */
  readonly long: readonly ExchangePlan[];
  /** Places of short ones. */
  readonly short: number;
  /** Between two short ones of a place, ms. */
  readonly paceMs: number;
  /** How long the long ones live, ms, half of it at least; then others follow. Default: as long as the load. */
  readonly lifeMs?: number | undefined;
}

const MOST_BYTES = 512 * 1024;
/** How often it is looked at what arrived, ms. */
const LOOK_MS = 20;
/** How long a user whose own end is done waits for the origin to say so too before going on, ms. */
const LINGER_MS = 1_000;
/** How long the last bytes of a stream may take after both ends were told to finish, ms. */
const PATIENCE_MS = 60_000;

export class StreamsLoad extends UsersLoad {
  readonly #options: StreamsLoadOptions;
  /** Streams that are over for their users, and of which the origin has not seen the end yet. */
  readonly #lingering = new Set<Promise<void>>();

  constructor(options: StreamsLoadOptions) {
    const { long, short } = options;
    super(options.kind, long.length + short);
    this.#options = options;
    this.begin(async (user) => {
      const plan = long[user];
      return plan === undefined ? this.#followShort(user) : this.#keepLong(user, plan);
    });
  }

  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all(this.#lingering);
  }

  /** A stream that breaks is followed by another, so that the load stays the same. */
  async #keepLong(user: number, plan: ExchangePlan): Promise<void> {
    while (!this.isOver) await this.#carry(user, plan);
  }

  async #followShort(user: number): Promise<void> {
    const { random, paceMs } = this.#options;
    const size = (): number => (random.next() < 0.15 ? 0 : random.magnitude(MOST_BYTES));
    while (!this.isOver) {
      await this.#carry(user, { up: size(), down: size() });
      await delay(paceMs);
    }
  }

  /** Resolves when the user is done with it. */
  async #carry(user: number, plan: ExchangePlan): Promise<void> {
    const { exchanges, port } = this.#options;
    const connectedAt = performance.now();
    const exchange = exchanges.begin(port, plan);
    this.tally.count('streams');
    const judged = this.#watch(user, exchange).then(
      () => this.tally.succeeded(),
      (error: unknown) => {
        const what = `a stream of ${plan.up} bytes up and ${plan.down} down`;
        const reached = exchange.hasArrived ? 'had' : 'had not';
        const detail = `${String(error)}, ${reached} reached the origin`;
        const isTurnedAway = !exchange.hasArrived;
        this.tally.failed({ what, how: howOf(detail), detail, isTurnedAway, connectedAt });
        exchange.giveUp();
      },
    );
    this.#lingering.add(judged);
    const forget = judged.then(() => this.#lingering.delete(judged));
    await Promise.race([forget, this.#isLingering(exchange)]);
    // Neither a user nor a program dials again in the same moment.
    await delay(LOOK_MS);
  }

  async #isLingering(exchange: Exchange): Promise<void> {
    let doneAt: number | undefined;
    while (doneAt === undefined || performance.now() - doneAt < LINGER_MS) {
      await delay(LOOK_MS);
      if (exchange.isClientDone) doneAt ??= performance.now();
      if (exchange.isOver) return;
    }
  }

  /** Counts what arrives until the exchange is done, and has it finish when the load is over. */
  async #watch(user: number, exchange: Exchange): Promise<void> {
    let received = 0;
    const { random, lifeMs = Infinity } = this.#options;
    const endsAt = performance.now() + lifeMs * (0.5 + random.next() / 2);
    const done = exchange.done.then(() => true);
    let isDone = false;
    let finishedAt: number | undefined;
    while (!isDone) {
      isDone = await Promise.race([done, delay(LOOK_MS, false)]);
      const bytes = exchange.received - received;
      received += bytes;
      if (bytes > 0) {
        this.tally.moved(user, bytes);
        if (finishedAt !== undefined) finishedAt = performance.now();
      }
      if (!this.isOver && performance.now() < endsAt) continue;
      if (finishedAt === undefined) {
        exchange.finish();
        finishedAt = performance.now();
      }
      if (performance.now() - finishedAt > PATIENCE_MS) {
        throw new Error(`it did not end: ${JSON.stringify(exchange.receivedAt)} arrived`);
      }
    }
  }
}

function howOf(detail: string): FailureHow {
  if (detail.includes('ECONNREFUSED')) return 'refused';
  if (detail.includes('Cannot accept byte')) return 'wrong';
  return detail.includes('it did not end:') ? 'hung' : 'broken';
}
