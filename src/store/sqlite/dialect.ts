/**
 * Kysely's SQLite dialect with two changes that several processes on one file need: transactions take the write lock
 * when they begin (a later upgrade fails at once when somebody else wrote meanwhile), and migrations run in one.
 */
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { DatabaseConnection, DatabaseIntrospector, Dialect, Kysely } from 'kysely';

import type { Database } from './database.ts';

/** The dialect for one open database. Destroying the Kysely instance closes it. */
export function sqliteDialect(database: Database): Dialect {
  return {
    createDriver: () => new ImmediateDriver({ database }),
    createAdapter: () => new TransactionalDdlAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db: Kysely<unknown>): DatabaseIntrospector => new SqliteIntrospector(db),
  };
}

class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full disk makes SQLite roll back by itself, and the error that matters is the one that led here.
    await super.rollbackTransaction(connection).catch(() => undefined);
  }
}

class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}
