import { writeFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { loadSqliteDriver, SQLITE_DRIVERS } from '../../../src/store/sqlite/driver.ts';
import { SQLITE_FAULTS } from '../../../src/store/sqlite/faults.ts';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

const MISSING = SQLITE_DRIVERS.filter((name) => !DRIVERS.includes(name));

describe(`SQLite drivers on Node ${process.version}`, () => {
  it(`the store tests ran with ${DRIVERS.join(' and ')}, and without ${MISSING.join(' and ') || 'none'}`, () => {
    expect(DRIVERS).not.toEqual([]);
  });

  it('loadSqliteDriver() takes the first that works', async () => {
    expect((await loadSqliteDriver()).name).toBe(DRIVERS[0]);
    const last = DRIVERS.at(-1);
    expect((await loadSqliteDriver([...MISSING, ...DRIVERS.slice(-1)])).name).toBe(last);
  });

  it('loadSqliteDriver() says what to do when none works', async () => {
    await expect(loadSqliteDriver(MISSING)).rejects.toEqual(
      coded(
        'STORE_OPEN',
        `Cannot load SQLite on Node ${process.version}: run "npm rebuild better-sqlite3"`,
      ),
    );
    for (const name of MISSING) {
      const error: unknown = await loadSqliteDriver([name]).catch((err) => err);
      expect(error).toEqual(coded('STORE_OPEN', `(${name}: `));
      expect(String(error)).not.toContain('\n');
    }
  });
});

describe.each(DRIVERS)('%s', (driver) => {
  const folder = new StoreFolder(driver);

  it('returns rows from statements that have some, and counts from the others', async () => {
    await writeFile(folder.path(), '');
    const database = await folder.raw();
    database.exec('create table t (a integer primary key, b text)');
    const insert = database.prepare('insert into t (b) values (?)');
    expect(insert.reader).toBe(false);
    expect(insert.run(['x'])).toMatchObject({ changes: 1, lastInsertRowid: 1 });
    const returning = database.prepare('insert into t (b) values (?) returning a');
    expect(returning.reader).toBe(true);
    expect(returning.all([null])).toEqual([{ a: 2 }]);
    const select = database.prepare('select a, b from t where a > ? order by a');
    expect(select.reader).toBe(true);
    expect(select.all([0])).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: null },
    ]);
    expect([...select.iterate([1])]).toEqual([{ a: 2, b: null }]);
  });

  it('keeps whole numbers up to the largest safe one, and every character', async () => {
    await writeFile(folder.path(), '');
    const database = await folder.raw();
    const values = [Number.MAX_SAFE_INTEGER, -1, 1.5, 'ü \0 \u{1F512}', null];
    const [row] = database.prepare('select ? as a, ? as b, ? as c, ? as d, ? as e').all(values);
    expect(Object.values(row ?? {})).toEqual(values);
  });

  it('reports a lock in a way that the store understands', async () => {
    await writeFile(folder.path(), '');
    const holder = await folder.raw();
    const other = await folder.raw();
    holder.exec('begin immediate');
    const started = performance.now();
    let thrown: unknown;
    try {
      other.exec('begin immediate');
    } catch (error) {
      thrown = error;
    }
    expect(SQLITE_FAULTS.isBusy(thrown)).toBe(true);
    // It slept on the lock, but not for long.
    expect(performance.now() - started).toBeLessThan(4_000);
  });
});
