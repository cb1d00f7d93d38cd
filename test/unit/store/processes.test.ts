/** Several processes that open the same new database at once. They run what `npm run build` made. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import { DRIVERS, StoreFolder } from './sqlite-drivers.ts';

const OPENER = `
  const [module, file, driver, name] = process.argv.slice(1);
  const { openStore } = await import(module);
  const store = await openStore({ file, drivers: [driver] });
  await store.tunnels.create(name);
  await store.tunnels.create('contested').catch((error) => console.log(error.code));
  await store.close();`;

describe.each(DRIVERS)('processes that start together, with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('make one database and lose nothing in it', async () => {
    const file = folder.path('data/postern.db');
    const module = path.resolve('dist/store/sqlite/open.js');
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const ends = await Promise.all(
      names.map((name) =>
        promisify(execFile)(process.execPath, [
          '--input-type=module',
          '-e',
          OPENER,
          module,
          file,
          driver,
          name,
        ]),
      ),
    );
    const outputs = ends.map(({ stdout, stderr }) => stdout + stderr);
    expect(outputs.toSorted()).toEqual(['', ...names.slice(1).map(() => 'STORE_EXISTS\n')]);
    const store = await folder.open({ file });
    const tunnels = await store.tunnels.list();
    expect(tunnels.map(({ name }) => name)).toEqual([...names, 'contested'].toSorted());
  });
});
