import { expect, it } from '@jest/globals';

import { ticketKey } from '../../../../src/access/sign-in/ticket-key.ts';
import { openStore } from '../../../../src/store/sqlite/open.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { tempDir } from '../../../support/temp-dir.ts';

it('all processes on a database have the same key, also when they start at once', async () => {
  const file = `${tempDir('ticket')}/postern.db`;
  const clock = new FakeClock();
  const stores = await Promise.all([openStore({ file, clock }), openStore({ file, clock })]);
  cleanup(async () => void (await Promise.all(stores.map(async (store) => store.close()))));
  const keys = await Promise.all(stores.map(async (store) => ticketKey(store.keys, clock)));
  expect(keys[0]).toHaveLength(32);
  expect(keys[1]).toEqual(keys[0]);
});
