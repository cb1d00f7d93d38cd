/**
 * Keystrokes: a few bytes through a local port of `access tcp` to an echo, the next when they are back. What people feel of
 * an interruption is how long one of them takes.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { SeededRandom } from '../seeded-random.ts';
import { EchoClient, openTcp } from '../tcp-client.ts';
import { UsersLoad } from './users-load.ts';

export interface TypingLoadOptions {
  /** Leads to an echo. */
  readonly port: number;
  readonly random: SeededRandom;
  readonly users: number;
  /** Between two keystrokes of one user, ms. */
  readonly paceMs: number;
  /** How long a user stays, ms, half of it at least; then another one comes. Default: as long as the load. */
  readonly lifeMs?: number | undefined;
}

/** Bytes of the longest: a paste now and then. */
const MOST_BYTES = 2_000;
/** Between the parts of the pattern that two users send. */
const SPACING = 2 ** 32;
/** How long a keystroke may take, ms. */
const PATIENCE_MS = 60_000;

export class TypingLoad extends UsersLoad {
  readonly #options: TypingLoadOptions;
  #streams = 0;

  constructor(options: TypingLoadOptions) {
    super('access tcp', options.users);
    this.#options = options;
    this.begin(async (user) => this.#use(user));
  }

  async #use(user: number): Promise<void> {
    while (!this.isOver) await this.#type(user);
  }

  async #type(user: number): Promise<void> {
    const { port, random, paceMs, lifeMs = Infinity } = this.#options;
    const connectedAt = performance.now();
    const leavesAt = connectedAt + lifeMs * (0.5 + random.next() / 2);
    const socket = openTcp(port);
    this.#streams += 1;
    this.tally.count('streams');
    const client = new EchoClient(socket, this.#streams * SPACING);
    let keys = 0;
    const late = setTimeout(() => socket.destroy(), PATIENCE_MS);
    try {
      for (; !this.isOver && performance.now() < leavesAt; keys += 1) {
        const bytes = random.magnitude(MOST_BYTES);
        await client.round(bytes);
        late.refresh();
        this.tally.moved(user, bytes);
        this.tally.succeeded();
        await delay(paceMs);
      }
      await client.end();
    } catch (error) {
      const what = `a typist, after ${keys} keystrokes`;
      const isTurnedAway = keys === 0;
      const detail = String(error);
      this.tally.failed({ what, how: 'broken', detail, isTurnedAway, connectedAt });
      await delay(paceMs);
    } finally {
      clearTimeout(late);
      socket.destroy();
    }
  }
}
