/** What every SQLite library is reduced to: what Kysely needs, and scripts. */
import type { SqliteDatabase } from 'kysely';

/** How long a statement may sleep on a lock, ms. Short: all of the process sleeps. sql/retry-busy.ts does the waiting. */
export const BUSY_TIMEOUT_MS = 20;

export interface Database extends SqliteDatabase {
  /** Runs statements that return nothing of interest. */
  exec(sql: string): unknown;
}
