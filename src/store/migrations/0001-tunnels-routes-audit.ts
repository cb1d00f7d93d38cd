/**
 * The first schema: tunnels, their routes, audit events. Part of every database from here on: never edit what it
 * makes, write a new migration.
 */
import type { Kysely } from 'kysely';

/** Makes the tables. Runs in a transaction of the migrator. */
export async function createTunnelsRoutesAudit(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('tunnels')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('secret_hash', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('rotated_at', 'bigint')
    .execute();

  await db.schema
    .createTable('routes')
    .addColumn('hostname', 'text', (column) => column.primaryKey())
    .addColumn('tunnel_id', 'text', (column) =>
      column.notNull().references('tunnels.id').onDelete('cascade'),
    )
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('routes_tunnel_id').on('routes').column('tunnel_id').execute();

  await db.schema
    .createTable('audit_events')
    // Counts by itself on SQLite. Never reuses a number, or a page of events could be read twice.
    .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('tunnel', 'text')
    .addColumn('hostname', 'text')
    .addColumn('actor', 'text')
    .addColumn('detail', 'text')
    .execute();
}
