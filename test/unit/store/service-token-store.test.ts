import { readFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { secretHash } from '../../../src/core/secret-hash.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

describe.each(DRIVERS)('service tokens with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('create() returns the token and its secret, of which the file holds only a hash', async () => {
    const clock = new FakeClock();
    const store = await folder.open({ clock });
    const { token, secret } = await store.serviceTokens.create('ci', clock.wall() + 5);
    expect(token).toEqual({
      id: expect.any(String),
      name: 'ci',
      secretHash: secretHash(secret),
      createdAt: clock.wall(),
      expiresAt: clock.wall() + 5,
    });
    expect(await store.serviceTokens.list()).toEqual([token]);
    await store.close();
    expect((await readFile(folder.path())).includes(secret)).toBe(false);
  });

  it('create() refuses a taken name and a bad one', async () => {
    const { serviceTokens } = await folder.open();
    await serviceTokens.create('ci');
    await expect(serviceTokens.create('ci')).rejects.toEqual(coded('STORE_EXISTS', '"ci"'));
    await expect(serviceTokens.create('C I')).rejects.toEqual(coded('ADMIN_BAD_REQUEST', '"C I"'));
  });

  it('rotate() keeps the old secret for the overlap, and none without', async () => {
    const clock = new FakeClock();
    const { serviceTokens } = await folder.open({ clock });
    const first = await serviceTokens.create('ci');
    const second = await serviceTokens.rotate('ci', 60_000);
    expect(second.token).toEqual({
      ...first.token,
      secretHash: secretHash(second.secret),
      previous: { secretHash: first.token.secretHash, until: clock.wall() + 60_000 },
      rotatedAt: clock.wall(),
    });
    const third = await serviceTokens.rotate(first.token.id, 0);
    expect(third.token.previous).toBeUndefined();
    await expect(serviceTokens.rotate('cd', 0)).rejects.toEqual(coded('STORE_NOT_FOUND', '"cd"'));
  });

  it('remove() returns what it was', async () => {
    const { serviceTokens } = await folder.open();
    const { token } = await serviceTokens.create('ci');
    expect(await serviceTokens.remove('ci')).toEqual(token);
    expect(await serviceTokens.list()).toEqual([]);
    await expect(serviceTokens.remove('ci')).rejects.toEqual(coded('STORE_NOT_FOUND', '"ci"'));
  });

  it('create() refuses one above LIMITS.serviceTokens', async () => {
    const { serviceTokens } = await folder.open();
    await serviceTokens.create('ci');
    (await folder.raw()).exec(`
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.serviceTokens - 1})
      insert into service_tokens (id, name, secret_hash, created_at) select id || i, name || i, secret_hash, 0
        from service_tokens, n`);
    await expect(serviceTokens.create('cd')).rejects.toEqual(coded('STORE_LIMIT', 'the limit'));
  });
});
