import { chmod, mkdir, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { geteuid, seteuid } from 'node:process';

import { describe, expect, it } from '@jest/globals';

import { codeOf } from '../../../src/core/error.ts';
import { newAuditEvent } from '../../../src/telemetry/audit-event.ts';
import { coded, DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

const NOBODY = 65_534;

/** Runs as a user whom permissions stop. They do not stop root, which containers often run as. */
async function withoutRoot(run: () => Promise<void>): Promise<void> {
  const user = geteuid?.();
  if (user === 0) seteuid?.(NOBODY);
  try {
    await run();
  } finally {
    if (user === 0) seteuid?.(0);
  }
}

async function modeOf(file: string): Promise<string> {
  return ((await stat(file)).mode & 0o777).toString(8);
}

describe.each(DRIVERS)('openStore() with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('makes the schema from nothing', async () => {
    const store = await folder.open();
    const database = await folder.raw();
    const tables = rowsOf(
      database,
      "select name from sqlite_schema where type = 'table' order by 1",
    );
    expect(tables.map(({ name }) => name)).toEqual([
      'audit_events',
      'changes',
      'kysely_migration',
      'kysely_migration_lock',
      'once_items',
      'routes',
      'service_tokens',
      'sessions',
      'signing_keys',
      'sqlite_sequence',
      'tunnels',
      'users',
    ]);
    expect(rowsOf(database, 'select name from kysely_migration')).toEqual([
      { name: '0001-tunnels-routes-audit' },
      { name: '0002-access' },
    ]);
    expect(rowsOf(database, 'pragma journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(await store.tunnels.list()).toEqual([]);
  });

  it('finds everything again after it was closed', async () => {
    const first = await folder.open();
    const { tunnel, token } = await first.tunnels.create('home');
    const route = await first.routes.add('home', 'wiki.example.com');
    const event = newAuditEvent({ type: 'tunnel.create', tunnel: 'home' });
    await first.audit.append(event);
    await first.close();

    const second = await folder.open();
    expect(await second.tunnels.verifyToken(token)).toEqual(tunnel);
    expect(await second.routes.list()).toEqual([route]);
    expect(await second.audit.list({ limit: 10 })).toEqual([event]);
  });

  it('file and folder are for their owner only, whatever the umask', async () => {
    for (const umask of [0o000, 0o077, 0o777]) {
      const before = process.umask(umask);
      const file = folder.path(`data-${umask}/postern.db`);
      const store = await folder.open({ file }).finally(() => process.umask(before));
      await store.tunnels.create('home');
      expect(await modeOf(path.dirname(file))).toBe('700');
      const names = (await readdir(path.dirname(file))).toSorted();
      expect(names).toEqual(['postern.db', 'postern.db-shm', 'postern.db-wal', 'postern.db.key']);
      for (const name of names) {
        expect(await modeOf(path.join(path.dirname(file), name))).toBe('600');
      }
    }
  });

  it('takes others out of an existing file, and leaves the mode of an existing folder', async () => {
    const file = folder.path('shared/postern.db');
    await mkdir(path.dirname(file));
    await chmod(path.dirname(file), 0o755);
    await writeFile(file, '');
    await chmod(file, 0o644);
    await folder.open({ file });
    expect(await modeOf(file)).toBe('600');
    expect(await modeOf(path.dirname(file))).toBe('755');
  });

  it('many openers of a new file at once all get it', async () => {
    const stores = await Promise.all(Array.from({ length: 12 }, () => folder.open()));
    await Promise.all(stores.map(({ tunnels }, index) => tunnels.create(`t${index}`)));
    const lists = await Promise.all(stores.map(({ tunnels }) => tunnels.list()));
    expect(lists.map((list) => list.length)).toEqual(stores.map(() => 12));
  });

  it('refuses a database of a newer version, and leaves every byte of it', async () => {
    const file = folder.path();
    await (await folder.open()).close();
    const database = await folder.raw();
    database.exec("insert into kysely_migration values ('0999-later', '2030-01-01T00:00:00Z')");
    database.close();
    await chmod(file, 0o640);
    const before = await readFile(file);

    await expect(folder.open()).rejects.toEqual(
      coded(
        'STORE_OPEN',
        `Cannot open database "${file}": a newer version of Postern wrote it (its schema is at "0999-later"); install`,
      ),
    );
    expect((await readFile(file)).equals(before)).toBe(true);
    expect(await modeOf(file)).toBe('640');
    expect(await readdir(path.dirname(file))).toEqual(['postern.db', 'postern.db.key']);
  });

  it('goes on with what it has open while a newer version adds to the schema', async () => {
    const store = await folder.open();
    const { token } = await store.tunnels.create('home');
    const database = await folder.raw();
    const tables = ['tunnels', 'routes', 'audit_events', 'service_tokens', 'users', 'changes'];
    for (const table of tables) {
      database.exec(`alter table ${table} add column later text;
        alter table ${table} add column sooner text not null default 'x'`);
    }
    database.exec(`create table later (a);
      insert into kysely_migration values ('0999-later', '2030-01-01T00:00:00Z')`);

    expect((await store.tunnels.verifyToken(token))?.name).toBe('home');
    await store.routes.add('home', 'wiki.example.com');
    await store.tunnels.rotate('home');
    await store.serviceTokens.create('ci');
    await store.users.add({
      name: 'alice',
      passwordHash: 'hash',
      groups: [],
      disabled: false,
      createdAt: 0,
    });
    const event = newAuditEvent({ type: 'tunnel.create', tunnel: 'home' });
    await store.audit.append(event);
    expect(await store.audit.list({ limit: 1 })).toEqual([event]);
    expect((await store.changes.since(0)).changes).toHaveLength(3);
    await store.tunnels.delete('home');
    expect(await store.routes.list()).toEqual([]);
  });

  it("refuses another program's database, and leaves it", async () => {
    const file = folder.path();
    await writeFile(file, '');
    const database = await folder.raw();
    database.exec('create table theirs (a)');
    database.close();
    const before = await readFile(file);
    await expect(folder.open()).rejects.toEqual(
      coded('STORE_OPEN', `"${file}": it belongs to another program`),
    );
    expect((await readFile(file)).equals(before)).toBe(true);
  });

  it('refuses a file that is not a database, by name', async () => {
    const file = folder.path();
    await writeFile(file, 'tunnel: home\n'.repeat(1000));
    await expect(folder.open()).rejects.toEqual(
      coded('STORE_OPEN', `Cannot open database "${file}": the file is damaged or not a database`),
    );
  });

  it.each([100, 4096, 5000, 12_288])('refuses a database cut to %d bytes', async (bytes) => {
    const file = folder.path();
    await (await folder.open()).close();
    await truncate(file, bytes);
    await expect(folder.open()).rejects.toEqual(
      coded('STORE_OPEN', `"${file}": the file is damaged`),
    );
  });

  it('refuses a folder in the place of the file, and a file in the place of the folder', async () => {
    const file = folder.path();
    await mkdir(file);
    await expect(folder.open()).rejects.toEqual(coded('STORE_OPEN', `"${file}": it is not a file`));
    const blocked = folder.path('file');
    await writeFile(blocked, '');
    const inside = path.join(blocked, 'data', 'postern.db');
    await expect(folder.open({ file: inside })).rejects.toEqual(
      coded('STORE_OPEN', `Cannot open database "${inside}": `),
    );
  });

  it('says when the folder may not be written', async () => {
    const parent = folder.path('parent');
    await mkdir(parent);
    await chmod(parent, 0o555);
    await chmod(path.dirname(parent), 0o755);
    await withoutRoot(async () => {
      const beside = path.join(parent, 'postern.db');
      await expect(folder.open({ file: beside })).rejects.toEqual(
        coded('STORE_OPEN', `"${beside}": the file or its folder may not be written`),
      );
      const below = path.join(parent, 'data', 'postern.db');
      await expect(folder.open({ file: below })).rejects.toEqual(
        coded('STORE_OPEN', `"${below}": the file or its folder may not be written`),
      );
    });
  });

  it('says when an existing database may only be read', async () => {
    const file = folder.path();
    await (await folder.open()).close();
    await chmod(path.dirname(file), 0o777);
    await chmod(file, 0o444);
    await withoutRoot(async () => {
      // In WAL mode even a reader has to write beside the file, so both answers mean the same.
      await expect(folder.open()).rejects.toEqual(
        coded('STORE_OPEN', `"${file}": the file or its folder may not be written`),
      );
    });
  });

  it('a closed store refuses to work, and closing it twice is fine', async () => {
    const store = await folder.open();
    await Promise.all([store.close(), store.close()]);
    await store.close();
    const attempts = [
      () => store.tunnels.create('home'),
      () => store.tunnels.find('home'),
      () => store.routes.list(),
      () => store.audit.append(newAuditEvent({ type: 'a.b' })),
      () => store.audit.list({ limit: 1 }),
    ];
    const codes = await Promise.all(attempts.map((attempt) => attempt().catch(codeOf)));
    expect(codes).toEqual(attempts.map(() => 'STORE_FAILED'));
  });

  it('close() lets what runs finish', async () => {
    const store = await folder.open();
    const creations = Array.from({ length: 20 }, (_, index) => store.tunnels.create(`t${index}`));
    await store.close();
    expect(await Promise.all(creations)).toHaveLength(20);
  });

  it('a database that breaks while it is open is STORE_FAILED, naming what could not be done', async () => {
    const store = await folder.open();
    const database = await folder.raw();
    database.exec('drop table routes');
    await expect(store.routes.list()).rejects.toEqual(
      coded('STORE_FAILED', 'Cannot list routes: no such table'),
    );
  });
});
