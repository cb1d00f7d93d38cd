/**
 * Users of a web application over HTTP/1.1 and TLS: most keep their connection, some make a new one for each request. What
 * they get and what they post is random, and every byte of it is checked.
 */
import { Agent } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

import type { Gateway } from '../gateway.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { callHttp1 } from './http1-call.ts';
import { HttpJobError, randomJob, runHttpJob } from './http-job.ts';
import { UsersLoad } from './users-load.ts';

export interface Http1LoadOptions {
  readonly gateway: Gateway;
  /** Leads to an http-origin.ts. */
  readonly hostname: string;
  readonly random: SeededRandom;
  /** How many keep their connection, and how many do not. */
  readonly keeping: number;
  readonly closing: number;
  /** Between two requests of one user, ms. */
  readonly paceMs: number;
}

const MOST_BYTES = 256 * 1024;

export class Http1Load extends UsersLoad {
  readonly #options: Http1LoadOptions;

  constructor(options: Http1LoadOptions) {
    super('http1', options.keeping + options.closing);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    const { keeping, paceMs } = this.#options;
    // One connection each: whose request meets what is then a matter of chance, and not of the agent.
    const agent = user < keeping && new Agent({ keepAlive: true, maxSockets: 1 });
    while (!this.isOver) {
      await this.#ask(user, agent);
      await delay(paceMs);
    }
    if (agent !== false) agent.destroy();
  }

  async #ask(user: number, agent: Agent | false): Promise<void> {
    const { gateway, hostname, random } = this.#options;
    const job = randomJob(random, MOST_BYTES);
    const call = callHttp1({ gateway, hostname, agent }, job);
    try {
      await runHttpJob(job, call, (bytes) => this.tally.moved(user, bytes));
      this.tally.succeeded();
      this.tally.count(call.isReused() ? 'on a kept connection' : 'on a new connection');
    } catch (error) {
      if (!(error instanceof HttpJobError)) throw error;
      const on = call.isReused() ? 'a kept connection' : 'a new connection';
      this.tally.failed({
        what: `${job.method} of ${job.bytes} bytes on ${on}`,
        how: error.how,
        detail: error.message,
        code: error.status,
        connectedAt: call.connectedAt(),
      });
    }
  }
}
