/**
 * Uploads and downloads of many MiB over HTTP/1.1, slow enough for each to meet whatever happens meanwhile. The origin
 * digests what goes up, the user compares what comes down.
 */
import type { Gateway } from '../gateway.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { callHttp1 } from './http1-call.ts';
import { downloadJob, HttpJobError, runHttpJob, uploadJob } from './http-job.ts';
import { UsersLoad } from './users-load.ts';

export interface TransferLoadOptions {
  readonly gateway: Gateway;
  /** Leads to an http-origin.ts. */
  readonly hostname: string;
  readonly random: SeededRandom;
  /** How many go up at once, and as many down. */
  readonly each: number;
  /** Of one transfer. */
  readonly bytesPerSecond: number;
  /** Bytes of the largest transfer; the smallest has a quarter. */
  readonly mostBytes: number;
}

export class TransferLoad extends UsersLoad {
  readonly #options: TransferLoadOptions;

  constructor(options: TransferLoadOptions) {
    super('transfer', 2 * options.each);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    while (!this.isOver) await this.#transfer(user);
  }

  async #transfer(user: number): Promise<void> {
    const { gateway, hostname, random, bytesPerSecond, mostBytes } = this.#options;
    const bytes = Math.floor(mostBytes * (0.25 + 0.75 * random.next()));
    const make = user % 2 === 0 ? downloadJob : uploadJob;
    const job = make(bytes, random.below(2 ** 32), bytesPerSecond);
    const call = callHttp1({ gateway, hostname, agent: false }, job);
    let moved = 0;
    try {
      await runHttpJob(job, call, (piece) => {
        moved += piece;
        this.tally.moved(user, piece);
      });
      // What went up was counted by the origin, which said so.
      if (job.method === 'POST') this.tally.moved(user, bytes);
      this.tally.succeeded();
    } catch (error) {
      if (!(error instanceof HttpJobError)) throw error;
      this.tally.failed({
        what: `${job.method} of ${bytes} bytes, ${moved} of which had come down`,
        how: error.how,
        detail: error.message,
        code: error.status,
        connectedAt: call.connectedAt(),
      });
    }
  }
}
