/**
 * Brings a database to the schema this version knows, and notices one that a newer version wrote.
 *
 * Migrations are code, not files found at run time: a bundle or a packed install has exactly the ones it was built
 * with. An up-to-date database is only read, so opening one never waits for a writer.
 *
 * A migration only adds: a worker of the version before goes on with the database while it drains, and may be taken back. So
 * new columns have a default or may be null, and what exists keeps its name and meaning.
 */
import { Migrator } from 'kysely';
import type { Kysely, Migration } from 'kysely';

import type { Schema } from '../schema.ts';
import { createTunnelsRoutesAudit } from './0001-tunnels-routes-audit.ts';
import { createAccess } from './0002-access.ts';

/** Every migration, oldest first. Names sort in this order and never change. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-tunnels-routes-audit': { up: createTunnelsRoutesAudit },
  '0002-access': { up: createAccess },
};

const APPLIED_TABLE = 'kysely_migration';

// Not an interface: `withTables` takes only types that are closed.
type MigrationSchema = { readonly [APPLIED_TABLE]: { readonly name: string } };

/** Where a database stands: `newer` names a migration that only a later version can have applied. */
export type SchemaState = 'current' | 'outdated' | { readonly newer: string };

/** Compares what was applied with what this version knows. Only reads. */
export async function readSchemaState(db: Kysely<Schema>): Promise<SchemaState> {
  const applied = await appliedMigrations(db);
  const newer = applied.filter((name) => !Object.hasOwn(MIGRATIONS, name)).at(-1);
  if (newer !== undefined) return { newer };
  return applied.length < Object.keys(MIGRATIONS).length ? 'outdated' : 'current';
}

/**
 * Applies what is missing, all or nothing. Throws what the database throws.
 * Two processes may do this at once where the dialect runs DDL in transactions that exclude each other.
 */
export async function migrate(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) },
    migrationTableName: APPLIED_TABLE,
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

async function appliedMigrations(db: Kysely<Schema>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === APPLIED_TABLE)) return [];
  const rows = await db
    .withTables<MigrationSchema>()
    .selectFrom(APPLIED_TABLE)
    .select('name')
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}
