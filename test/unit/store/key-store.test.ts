import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

const KEY = {
  id: 'k1',
  use: 'token',
  privateJwk: { kty: 'EC', d: 'canary-of-a-private-key' },
  createdAt: 1,
  activeFrom: 2,
  retireAt: 3,
};

describe.each(DRIVERS)('keys with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('list() shows the keys of one use, oldest first, also those of another process', async () => {
    const store = await folder.open();
    const { retireAt: _, ...lasting } = { ...KEY, id: 'k3', use: 'ssh-ca' };
    await store.keys.add({ ...KEY, id: 'k2', createdAt: 5 });
    await store.keys.add(KEY);
    await store.keys.add(lasting);
    const { keys } = await folder.open();
    expect((await keys.list('token')).map(({ id }) => id)).toEqual(['k1', 'k2']);
    expect((await keys.list('token'))[0]).toEqual(KEY);
    expect(await keys.list('ssh-ca')).toEqual([lasting]);
    await expect(keys.add(KEY)).rejects.toEqual(coded('STORE_EXISTS', 'Cannot keep a key'));
    await keys.remove('k1');
    await keys.remove('k1');
    expect(await keys.list('token')).toHaveLength(1);
  });

  it('A8 a private key is not readable in the database', async () => {
    const store = await folder.open();
    await store.keys.add(KEY);
    await store.close();
    expect((await readFile(folder.path())).includes('canary')).toBe(false);
  });

  it('a key file of another database opens nothing, and the error names it', async () => {
    const store = await folder.open();
    await store.keys.add(KEY);
    await store.close();
    const file = folder.path('postern.db.key');
    await copyFile(file, folder.path('kept'));
    await rm(file);
    const other = await folder.open();
    await expect(other.keys.list('token')).rejects.toEqual(coded('STORE_FAILED', file));
    await copyFile(folder.path('kept'), file);
    expect(await (await folder.open()).keys.list('token')).toEqual([KEY]);
  });

  it('a key file that is cut off is refused', async () => {
    await writeFile(folder.path('postern.db.key'), 'short');
    await expect(folder.open()).rejects.toEqual(coded('STORE_OPEN', 'does not hold 32 bytes'));
  });

  it('stores that make the key file at once share it', async () => {
    const stores = await Promise.all([folder.open(), folder.open(), folder.open()]);
    await stores[0]?.keys.add(KEY);
    for (const { keys } of stores) expect(await keys.list('token')).toEqual([KEY]);
  });
});
