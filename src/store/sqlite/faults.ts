/**
 * SQLite's result codes, as better-sqlite3 (names) and node:sqlite (numbers) report them, and what they mean to the
 * person who runs the gateway. https://sqlite.org/rescode.html
 */
import { codeOf, messageOf } from '../../core/error.ts';
import type { DatabaseFaults } from '../sql/faults.ts';

const RESULT_NAMES: Readonly<Record<number, string>> = {
  3: 'PERM',
  5: 'BUSY',
  6: 'LOCKED',
  8: 'READONLY',
  10: 'IOERR',
  11: 'CORRUPT',
  13: 'FULL',
  14: 'CANTOPEN',
  15: 'PROTOCOL',
  26: 'NOTADB',
};

/** PROTOCOL is a race for the WAL's locks that SQLite itself lost many times in a row. */
const BUSY_RESULTS: ReadonlySet<string | undefined> = new Set(['BUSY', 'LOCKED', 'PROTOCOL']);

const DAMAGED = 'the file is damaged or not a database; restore it from a backup, or move it away';
const NO_PERMISSION =
  'the file or its folder may not be written; check their owner and permissions';

/** By SQLite's result, or by Node's code where the file could not even be made. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  PERM: NO_PERMISSION,
  READONLY: NO_PERMISSION,
  CANTOPEN: NO_PERMISSION,
  CORRUPT: DAMAGED,
  NOTADB: DAMAGED,
  FULL: 'the disk is full',
  IOERR: 'the disk fails to read or write',
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: NO_PERMISSION,
  ENOSPC: 'the disk is full',
};

export const SQLITE_FAULTS: DatabaseFaults = {
  isBusy: (error) => BUSY_RESULTS.has(resultName(error)),
  explain: (error) => EXPLANATIONS[resultName(error) ?? codeOf(error) ?? ''] ?? messageOf(error),
};

/** The primary result without its prefix, `BUSY` for SQLITE_BUSY_SNAPSHOT; undefined for other errors. */
function resultName(error: unknown): string | undefined {
  const name = /^SQLITE_([A-Z]+)/.exec(codeOf(error) ?? '')?.[1];
  if (name !== undefined) return name;
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  // The low byte of an extended code is its primary one.
  return typeof error.errcode === 'number' ? RESULT_NAMES[error.errcode & 0xff] : undefined;
}
