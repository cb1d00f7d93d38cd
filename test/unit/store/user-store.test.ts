import { readFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

const ANN = {
  name: 'ann',
  passwordHash: '$scrypt$',
  groups: ['staff'],
  disabled: false,
  createdAt: 1,
};

describe.each(DRIVERS)('local users with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('users are added, found, changed and removed', async () => {
    const { users } = await folder.open();
    await users.add(ANN);
    await users.add({ ...ANN, name: 'adam' });
    await expect(users.add(ANN)).rejects.toEqual(coded('STORE_EXISTS', 'Cannot add user "ann"'));
    const changed = { ...ANN, email: 'ann@example.com', totpSecret: 'canary', disabled: true };
    await users.update(changed);
    expect(await users.find('ann')).toEqual(changed);
    expect(await users.find('Ann')).toBeUndefined();
    expect((await users.list()).map(({ name }) => name)).toEqual(['adam', 'ann']);
    await users.remove('ann');
    await expect(users.remove('ann')).rejects.toEqual(coded('STORE_NOT_FOUND', '"ann"'));
    await expect(users.update(ANN)).rejects.toEqual(coded('STORE_NOT_FOUND', '"ann"'));
  });

  it('a step of one-time codes is used once, and a change of the user does not forget it', async () => {
    const { users } = await folder.open();
    await users.add(ANN);
    const claims = await Promise.all([
      users.claimTotpStep('ann', 7),
      users.claimTotpStep('ann', 7),
    ]);
    expect(claims.filter(Boolean)).toHaveLength(1);
    await users.update(ANN);
    expect(await users.claimTotpStep('ann', 7)).toBe(false);
    expect(await users.claimTotpStep('ann', 6)).toBe(false);
    expect(await users.claimTotpStep('ann', 8)).toBe(true);
    expect(await users.claimTotpStep('bob', 8)).toBe(false);
  });

  it('A8 the secret of one-time codes is not readable in the database', async () => {
    const store = await folder.open();
    await store.users.add({ ...ANN, totpSecret: 'canary' });
    await store.close();
    expect((await readFile(folder.path())).includes('canary')).toBe(false);
  });

  it('add() refuses one above LIMITS.users', async () => {
    const { users } = await folder.open();
    await users.add(ANN);
    (await folder.raw()).exec(`
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.users - 1})
      insert into users (name, password_hash, groups, disabled, created_at)
        select name || i, '', '[]', 0, 0 from users, n`);
    await expect(users.add({ ...ANN, name: 'x' })).rejects.toEqual(coded('STORE_LIMIT', 'limit'));
  });
});
