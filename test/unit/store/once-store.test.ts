import { readFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { coded, DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

describe.each(DRIVERS)('single-use values with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('take() gives a value to one of many takers in two processes', async () => {
    const clock = new FakeClock();
    const stores = [await folder.open({ clock }), await folder.open({ clock })];
    await stores[0]?.onceItems.put('login', 'id', { a: 1 }, clock.wall() + 1);
    const taken = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => stores[at % 2]?.onceItems.take('login', 'id')),
    );
    expect(taken.filter((value) => value !== undefined)).toEqual([{ a: 1 }]);
  });

  it('take() wants the right kind and id, and a value that has not expired', async () => {
    const clock = new FakeClock();
    const { onceItems } = await folder.open({ clock });
    await onceItems.put('login', 'id', { a: 1 }, clock.wall() + 10);
    expect(await onceItems.take('device', 'id')).toBeUndefined();
    expect(await onceItems.take('login', 'di')).toBeUndefined();
    clock.run(10);
    expect(await onceItems.take('login', 'id')).toBeUndefined();
  });

  it('put() replaces a value of the same id', async () => {
    const clock = new FakeClock();
    const { onceItems } = await folder.open({ clock });
    await onceItems.put('login', 'id', { a: 1 }, clock.wall() + 10);
    await onceItems.put('login', 'id', { a: 2 }, clock.wall() + 10);
    expect(await onceItems.take('login', 'id')).toEqual({ a: 2 });
  });

  it('claim() is true for the first of many, until it expires', async () => {
    const clock = new FakeClock();
    const stores = [await folder.open({ clock }), await folder.open({ clock })];
    const claim = async (at: number): Promise<boolean | undefined> =>
      stores[at % 2]?.onceItems.claim('saml-assertion', 'id', clock.wall() + 10);
    const claimed = await Promise.all([0, 1, 2, 3, 4, 5].map(claim));
    expect(claimed.filter(Boolean)).toHaveLength(1);
    expect(await stores[0]?.onceItems.take('saml-assertion', 'id')).toBeUndefined();
    expect(await claim(0)).toBe(false);
    clock.run(10);
    expect(await claim(0)).toBe(true);
  });

  it('neither ids nor values are readable in the database', async () => {
    const clock = new FakeClock();
    const store = await folder.open({ clock });
    await store.onceItems.put('login', 'canary', { a: 'canary' }, clock.wall() + 10);
    await store.close();
    expect((await readFile(folder.path())).includes('canary')).toBe(false);
  });

  it('A1 a kind is bounded by LIMITS.onceItems, and the expired make room', async () => {
    const clock = new FakeClock();
    const { onceItems } = await folder.open({ clock });
    const soon = clock.wall() + 10;
    (await folder.raw()).exec(`
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.onceItems})
      insert into once_items select 'login', 'x' || i, null, ${soon} from n`);
    await expect(onceItems.put('login', 'id', {}, soon)).rejects.toEqual(
      coded('STORE_LIMIT', '"login"'),
    );
    await expect(onceItems.claim('login', 'id', soon)).rejects.toEqual(
      coded('STORE_LIMIT', '"login"'),
    );
    await onceItems.put('device', 'id', {}, soon);
    clock.run(10);
    await onceItems.put('login', 'id', {}, soon + 10);
    const rows = rowsOf(
      await folder.raw(),
      "select count(*) as n from once_items where kind = 'login'",
    );
    expect(rows).toEqual([{ n: 1 }]);
  });
});
