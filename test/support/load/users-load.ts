/**
 * What all kinds of load share: a tally, users who are begun together, and their end. What a user does is for the kind to say.
 */
import { cleanup } from '../cleanup.ts';
import type { Load, LoadKind, LoadReport } from './load.ts';
import { Tally } from './tally.ts';

export abstract class UsersLoad implements Load {
  readonly kind: LoadKind;
  protected readonly tally: Tally;
  #running: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(kind: LoadKind, users: number) {
    this.kind = kind;
    this.tally = new Tally(kind, users);
  }

  get moves(): readonly number[] {
    return this.tally.moves;
  }

  get report(): LoadReport {
    return this.tally.report;
  }

  takeLongestPause(): number {
    return this.tally.takeLongestPause();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Whether nothing more is to be begun. */
  protected get isOver(): boolean {
    return this.#isOver;
  }

  /** Has every user begin. The last step of a constructor, since users need what it sets. */
  protected begin(use: (user: number) => Promise<unknown>): void {
    this.#running = Promise.all(this.moves.map((_, user) => use(user)));
    cleanup(() => this.stop());
  }
}
