/**
 * The SQLite libraries that work on this Node: every store test runs its cases on each of them, on real files.
 * better-sqlite3 is compiled for one Node version and node:sqlite came with 22.16, so often only one is there.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, expect } from '@jest/globals';

import type { Store } from '../../../src/store/store.ts';
import type { Database } from '../../../src/store/sqlite/database.ts';
import { loadSqliteDriver, SQLITE_DRIVERS } from '../../../src/store/sqlite/driver.ts';
import type { SqliteDriverName } from '../../../src/store/sqlite/driver.ts';
import { openStore } from '../../../src/store/sqlite/open.ts';
import type { OpenStoreOptions } from '../../../src/store/sqlite/open.ts';

const loaded = await Promise.allSettled(SQLITE_DRIVERS.map((name) => loadSqliteDriver([name])));

export const DRIVERS: readonly SqliteDriverName[] = SQLITE_DRIVERS.filter(
  (_, index) => loaded[index]?.status === 'fulfilled',
);

/** A folder and what was opened in it, for one test: all of it goes when the test is over. */
export class StoreFolder {
  readonly #driver: SqliteDriverName;
  readonly #opened: { close(): unknown }[] = [];
  #folder = '';

  constructor(driver: SqliteDriverName) {
    this.#driver = driver;
    afterEach(() => this.#remove());
  }

  /** A path inside the folder, which is made on first use. */
  path(name = 'postern.db'): string {
    this.#folder ||= mkdtempSync(path.join(tmpdir(), 'postern-store-'));
    return path.join(this.#folder, name);
  }

  async open(options: Partial<OpenStoreOptions> = {}): Promise<Store> {
    const file = this.path();
    const store = await openStore({ file, drivers: [this.#driver], ...options });
    this.#opened.push(store);
    return store;
  }

  /** The database file without the store around it. Foreign keys are as the library has them. */
  async raw(file?: string): Promise<Database> {
    const { open } = await loadSqliteDriver([this.#driver]);
    const database = open(file ?? this.path());
    this.#opened.push(database);
    return database;
  }

  async #remove(): Promise<void> {
    for (const opened of this.#opened.splice(0).toReversed()) await closeQuietly(opened);
    if (this.#folder !== '') await rm(this.#folder, { recursive: true, force: true });
    this.#folder = '';
  }
}

async function closeQuietly(opened: { close(): unknown }): Promise<void> {
  try {
    await opened.close();
  } catch {
    // The test closed it itself.
  }
}

/** The rows of a query. */
export function rowsOf(database: Database, query: string): Record<string, unknown>[] {
  return database
    .prepare(query)
    .all([])
    .map((row) => Object.fromEntries(Object.entries(row ?? {})));
}

/** Matches an error with this code whose message contains `text`. */
export function coded(code: string, text: string): unknown {
  return expect.objectContaining({ code, message: expect.stringContaining(text) });
}
