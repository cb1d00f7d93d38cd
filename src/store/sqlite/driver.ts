/**
 * The SQLite libraries that can open the database: better-sqlite3, and Node's own where that one does not load (its
 * addon is compiled for one Node version). Both read and write the same files.
 *
 * Nothing is loaded before a database is wanted: a connector or a client never needs one.
 */
import { messageOf, PosternError } from '../../core/error.ts';
import { loadBetterSqlite3 } from './better-sqlite3.ts';
import type { Database } from './database.ts';
import { loadNodeSqlite } from './node-sqlite.ts';

/** A loaded library. */
export interface SqliteDriver {
  readonly name: SqliteDriverName;
  /** Opens an existing file. Throws the library's own errors. */
  readonly open: (file: string) => Database;
}

const LOADERS = {
  'better-sqlite3': loadBetterSqlite3,
  'node:sqlite': loadNodeSqlite,
} as const satisfies Record<string, () => Promise<(file: string) => Database>>;

export type SqliteDriverName = keyof typeof LOADERS;

/** Every library there may be, the preferred one first. */
export const SQLITE_DRIVERS: readonly SqliteDriverName[] = ['better-sqlite3', 'node:sqlite'];

/** Loads the first of `names` that works here. STORE_OPEN when none does. */
export async function loadSqliteDriver(
  names: readonly SqliteDriverName[] = SQLITE_DRIVERS,
): Promise<SqliteDriver> {
  const failures: string[] = [];
  let cause: unknown;
  for (const name of names) {
    try {
      return { name, open: await LOADERS[name]() };
    } catch (error) {
      cause ??= error;
      failures.push(`${name}: ${messageOf(error).replaceAll(/\s+/g, ' ')}`);
    }
  }
  const message =
    `Cannot load SQLite on Node ${process.version}: run "npm rebuild better-sqlite3", ` +
    `or use Node 22.16 or newer, which has its own (${failures.join('; ')})`;
  throw new PosternError('STORE_OPEN', message, { cause });
}
