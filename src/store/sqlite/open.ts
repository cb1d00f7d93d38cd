/**
 * Opens the state in an SQLite file: makes the file, checks that it is ours and not newer than we are, migrates it.
 *
 * Construct, check, then change: a database that is refused is left as it was. The file and the folder made for it
 * are for their owner only. Never open the file in any other way while a store has it open: closing a second
 * descriptor drops SQLite's locks (https://sqlite.org/howtocorrupt.html §2.2).
 */
import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';

import { Kysely, sql } from 'kysely';

import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/clock.ts';
import { hasCode, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { migrate, readSchemaState } from '../migrations/migrate.ts';
import type { Schema } from '../schema.ts';
import { SqlAuditStore } from '../sql/audit-store.ts';
import { SqlChangeStore } from '../sql/change-store.ts';
import { SqlKeyStore } from '../sql/key-store.ts';
import { SqlOnceStore } from '../sql/once-store.ts';
import { retryBusy } from '../sql/retry-busy.ts';
import { SqlRouteStore } from '../sql/route-store.ts';
import { Seal } from '../sql/seal.ts';
import { SqlServiceTokenStore } from '../sql/service-token-store.ts';
import { SqlSessionStore } from '../sql/session-store.ts';
import { Session } from '../sql/session.ts';
import { SqlTunnelStore } from '../sql/tunnel-store.ts';
import { SqlUserStore } from '../sql/user-store.ts';
import type { Store } from '../store.ts';
import type { Database } from './database.ts';
import { sqliteDialect } from './dialect.ts';
import { loadSqliteDriver, SQLITE_DRIVERS } from './driver.ts';
import type { SqliteDriver, SqliteDriverName } from './driver.ts';
import { SQLITE_FAULTS } from './faults.ts';

export interface OpenStoreOptions {
  /** The database file. Made, with its folder, when it does not exist. */
  readonly file: string;
  /** The libraries that may be used, the preferred one first. Default: every one there is. */
  readonly drivers?: readonly SqliteDriverName[];
  /** How long an operation waits for other processes, ms. Default 5_000. */
  readonly busyWaitMs?: number;
  readonly clock?: Clock;
}

const OPEN_STORE_DEFAULTS = {
  drivers: SQLITE_DRIVERS,
  busyWaitMs: LIMITS.storeBusyMs,
  clock: systemClock,
} as const satisfies Omit<Required<OpenStoreOptions>, 'file'>;

/** Marks the file as ours ("Pstn"), so that a wrong path never adds tables to somebody else's database. */
const APPLICATION_ID = 0x50_73_74_6e;
const MARK_OWNER = `pragma application_id = ${APPLICATION_ID}`;

/**
 * The open state. Several processes may open one file.
 * STORE_OPEN when the file cannot be made, read or written, is not ours, or was written by a newer version; STORE_BUSY.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { drivers, busyWaitMs, clock } = { ...OPEN_STORE_DEFAULTS, ...options };
  const file = path.resolve(options.file);
  const action = `open database "${file}"`;
  const driver = await loadSqliteDriver(drivers);
  try {
    createFile(file);
    const db = await retryBusy(action, { waitMs: busyWaitMs, faults: SQLITE_FAULTS }, () =>
      openDatabase(driver, file),
    );
    const session = new Session({ db, faults: SQLITE_FAULTS, busyWaitMs });
    try {
      return composeStore(session, clock, new Seal(`${file}.key`));
    } catch (error) {
      await session.close();
      throw error;
    }
  } catch (cause) {
    if (hasCode(cause, 'STORE_BUSY') || hasCode(cause, 'STORE_OPEN')) throw cause;
    throw refusal(file, SQLITE_FAULTS.explain(cause), cause);
  }
}

function composeStore(session: Session, clock: Clock, seal: Seal): Store {
  const audit = new SqlAuditStore(session);
  return {
    tunnels: new SqlTunnelStore(session, clock),
    routes: new SqlRouteStore(session, clock),
    audit,
    sessions: new SqlSessionStore(session, clock, seal),
    serviceTokens: new SqlServiceTokenStore(session, clock),
    keys: new SqlKeyStore(session, seal),
    onceItems: new SqlOnceStore(session, clock, seal),
    users: new SqlUserStore(session, seal),
    changes: new SqlChangeStore(session),
    close: async () => {
      await audit.flush();
      await session.close();
    },
  };
}

/** Makes an empty file that only its owner can use, and its folder likewise. Leaves what exists alone. */
function createFile(file: string): void {
  const folder = path.dirname(file);
  // The modes are set again because the umask takes bits away, also the owner's.
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(folder, 0o700);
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', 0o600);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (!statSync(file).isFile()) throw refusal(file, 'it is not a file', error);
    return;
  }
  // In the same tick as the opening, so that nobody in this process can have locks on the file yet.
  fchmodSync(descriptor, 0o600);
  closeSync(descriptor);
}

async function openDatabase(driver: SqliteDriver, file: string): Promise<Kysely<Schema>> {
  const database = driver.open(file);
  try {
    const db = new Kysely<Schema>({ dialect: sqliteDialect(database) });
    const isFresh = await checkOwner(db, file);
    const state = await readSchemaState(db);
    if (typeof state === 'object') {
      const reason =
        `a newer version of Postern wrote it (its schema is at "${state.newer}"); ` +
        'install that version, or restore a backup from before the upgrade';
      throw refusal(file, reason);
    }
    tightenMode(file);
    // A change is worth nothing if a power cut brings a revoked token back, hence the full sync.
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on');
    if (isFresh) database.exec(MARK_OWNER);
    if (state === 'outdated') await migrate(db);
    checkWritable(database);
    return db;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Whether nothing was ever stored in the file. STORE_OPEN when it holds something that is not ours. */
async function checkOwner(db: Kysely<Schema>, file: string): Promise<boolean> {
  // One statement, so that another process which is making the database cannot come in between.
  const { rows } = await sql<{ readonly owner: number; readonly objects: number }>`
    select (select application_id from pragma_application_id) as owner,
           (select count(*) from sqlite_schema) as objects`.execute(db);
  if (rows[0]?.owner === APPLICATION_ID) return false;
  if (rows[0]?.owner === 0 && rows[0].objects === 0) return true;
  throw refusal(file, 'it belongs to another program');
}

/** SQLite opens a file that it may only read without a word, and fails at the first change. */
function checkWritable(database: Database): void {
  try {
    database.exec(`begin immediate; ${MARK_OWNER}; rollback`);
  } catch (error) {
    // Somebody else is writing, so it can be written.
    if (!SQLITE_FAULTS.isBusy(error)) throw error;
  }
}

/** Takes away what others than the owner may do with the file, where we are allowed to. */
function tightenMode(file: string): void {
  if ((statSync(file).mode & 0o077) === 0) return;
  try {
    chmodSync(file, 0o600);
  } catch (error) {
    // Somebody else's file that we were let into: their decision.
    if (!hasCode(error, 'EPERM')) throw error;
  }
}

function refusal(file: string, reason: string, cause?: unknown): PosternError {
  return new PosternError('STORE_OPEN', `Cannot open database "${file}": ${reason}`, { cause });
}
