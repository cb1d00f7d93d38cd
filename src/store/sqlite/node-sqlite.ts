/**
 * Node's own SQLite (`node:sqlite`) as a driver, shaped like better-sqlite3 where Kysely looks.
 *
 * Needs `StatementSync.columns()`, which came with Node 22.16: without it nothing tells a statement that returns
 * rows from one that does not. The types below are the part we use; @types/node for our oldest Node has none.
 */
import type { SqliteStatement } from 'kysely';

import { BUSY_TIMEOUT_MS } from './database.ts';
import type { Database } from './database.ts';

type Parameters = readonly unknown[];

interface StatementSync {
  columns?(): readonly unknown[];
  all(...parameters: Parameters): unknown[];
  run(...parameters: Parameters): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(...parameters: Parameters): IterableIterator<unknown>;
}

interface DatabaseSync {
  prepare(sql: string): StatementSync;
  exec(sql: string): void;
  close(): void;
}

interface NodeSqlite {
  readonly DatabaseSync: new (file: string) => DatabaseSync;
}

/** Throws when this Node has no `node:sqlite`, or one that is too old. */
export async function loadNodeSqlite(): Promise<(file: string) => Database> {
  // Not an import: bundlers, Jest and TypeScript for Node 20 all stumble over a module they do not know.
  const sqlite = process.getBuiltinModule('node:sqlite');
  if (!isNodeSqlite(sqlite)) throw new Error('this Node has no SQLite of its own');
  const probe = new sqlite.DatabaseSync(':memory:');
  const isUsable = probe.prepare('select 1').columns !== undefined;
  probe.close();
  if (!isUsable) throw new Error('the SQLite of this Node is too old');
  return (file) => new NodeDatabase(new sqlite.DatabaseSync(file));
}

function isNodeSqlite(module: object | undefined): module is NodeSqlite {
  return module !== undefined && 'DatabaseSync' in module;
}

class NodeDatabase implements Database {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#database.prepare(sql);
    return {
      reader: (statement.columns?.() ?? []).length > 0,
      all: (parameters) => statement.all(...parameters),
      run: (parameters) => statement.run(...parameters),
      iterate: (parameters) => statement.iterate(...parameters),
    };
  }

  close(): void {
    this.#database.close();
  }
}
