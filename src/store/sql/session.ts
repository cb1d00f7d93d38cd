/**
 * The one way to the database: reads, and writes in a transaction, with every error coded at this boundary.
 *
 * Queries run through it know Kysely and nothing of the database behind it. Nothing may keep a transaction open
 * across anything but queries: on SQLite it stops every other writer, in every process.
 */
import type { Kysely, Transaction } from 'kysely';

import { ERROR_CODES } from '../../core/error-codes.ts';
import { codeOf, PosternError } from '../../core/error.ts';
import type { Schema } from '../schema.ts';
import type { DatabaseFaults } from './faults.ts';
import { retryBusy } from './retry-busy.ts';

export interface SessionOptions {
  readonly db: Kysely<Schema>;
  readonly faults: DatabaseFaults;
  /** How long an operation waits for other processes, ms. */
  readonly busyWaitMs: number;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #active = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Runs a query. `action` completes "Cannot …" should it fail. */
  async read<T>(action: string, query: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    return this.#run(action, () => query(this.#options.db));
  }

  /** Runs a change in a transaction: all of it or nothing. It may run more than once, so it must only query. */
  async write<T>(action: string, change: (db: Transaction<Schema>) => Promise<T>): Promise<T> {
    return this.#run(action, () => this.#options.db.transaction().execute(change));
  }

  /** Lets what runs finish, then closes the database. Later operations fail with STORE_FAILED. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#active).then(() => this.#options.db.destroy());
    return this.#closed;
  }

  async #run<T>(action: string, attempt: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) {
      throw new PosternError('STORE_FAILED', `Cannot ${action}: the store is closed`);
    }
    const { busyWaitMs: waitMs, faults } = this.#options;
    const running = retryBusy(action, { waitMs, faults }, attempt);
    this.#active.add(running);
    try {
      return await running;
    } catch (cause) {
      if (isOurs(cause)) throw cause;
      const message = `Cannot ${action}: ${faults.explain(cause)}`;
      throw new PosternError('STORE_FAILED', message, { cause });
    } finally {
      this.#active.delete(running);
    }
  }
}

function isOurs(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}
