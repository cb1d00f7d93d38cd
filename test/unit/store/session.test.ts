import { describe, expect, it } from '@jest/globals';
import { Kysely } from 'kysely';

import { migrate } from '../../../src/store/migrations/migrate.ts';
import type { Schema } from '../../../src/store/schema.ts';
import { Session } from '../../../src/store/sql/session.ts';
import { SqlTunnelStore } from '../../../src/store/sql/tunnel-store.ts';
import { sqliteDialect } from '../../../src/store/sqlite/dialect.ts';
import { SQLITE_FAULTS } from '../../../src/store/sqlite/faults.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { PosternError } from '../../../src/core/error.ts';
import { writeFile } from 'node:fs/promises';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

describe.each(DRIVERS)('Session with %s', (driver) => {
  const folder = new StoreFolder(driver);

  async function openSession() {
    await writeFile(folder.path(), '');
    const database = await folder.raw();
    const db = new Kysely<Schema>({ dialect: sqliteDialect(database) });
    await migrate(db);
    const session = new Session({ db, faults: SQLITE_FAULTS, busyWaitMs: 100 });
    return { database, session, tunnels: new SqlTunnelStore(session, systemClock) };
  }

  it('a full disk is STORE_FAILED, changes nothing, and passes when there is room', async () => {
    const { database, session, tunnels } = await openSession();
    await tunnels.create('home');
    const fill = () =>
      session.write('fill the disk', async (db) => {
        await db.deleteFrom('tunnels').execute();
        const row = { id: 'big', at: 1, type: 'x'.repeat(1_000_000) };
        await db.insertInto('audit_events').values(row).execute();
      });
    database.exec('pragma max_page_count = 30');
    await expect(fill()).rejects.toEqual(
      coded('STORE_FAILED', 'Cannot fill the disk: the disk is full'),
    );
    expect(await tunnels.list()).toHaveLength(1);

    database.exec('pragma max_page_count = 1000');
    await fill();
    expect(await tunnels.list()).toEqual([]);
    await session.close();
  });

  it('write() undoes everything when the change throws, and passes our own error on', async () => {
    const { session, tunnels } = await openSession();
    await tunnels.create('home');
    const refusal = new PosternError('ROUTE_CONFLICT', 'Cannot do it: a test');
    const change = session.write('do it', async (db) => {
      await db.deleteFrom('tunnels').execute();
      throw refusal;
    });
    await expect(change).rejects.toBe(refusal);
    expect(await tunnels.list()).toHaveLength(1);
    await session.close();
  });
});
