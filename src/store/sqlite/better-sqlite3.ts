/** better-sqlite3 as a driver. Throws on loading when its addon is missing or was compiled for another Node. */
import { BUSY_TIMEOUT_MS } from './database.ts';
import type { Database } from './database.ts';

export async function loadBetterSqlite3(): Promise<(file: string) => Database> {
  const { default: BetterSqlite3 } = await import('better-sqlite3');
  // The addon is not loaded by the import but by the first database.
  new BetterSqlite3(':memory:').close();
  return (file) => new BetterSqlite3(file, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
}
