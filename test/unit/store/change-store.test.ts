import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

describe.each(DRIVERS)('changes with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('another process sees each change once', async () => {
    const { serviceTokens } = await folder.open();
    const { changes } = await folder.open();
    expect(await changes.latest()).toBe(0);
    const { token } = await serviceTokens.create('ci');
    const change = { kind: 'service-token', item: token.id };
    const seen = await changes.since(0);
    expect(seen.changes).toEqual([change]);
    expect(await changes.latest()).toBe(seen.latest);
    expect(await changes.since(seen.latest)).toEqual({ latest: seen.latest, changes: [] });
    await serviceTokens.rotate('ci', 0);
    await serviceTokens.remove('ci');
    expect((await changes.since(seen.latest)).changes).toEqual([change, change]);
  });

  it('routes that come and go are changes, and tunnels whose token no longer counts', async () => {
    const { tunnels, routes } = await folder.open();
    const { changes } = await folder.open();
    const { tunnel } = await tunnels.create('web');
    await routes.add('web', 'a.example.com');
    await routes.add('web', 'a.example.com');
    await routes.remove('a.example.com');
    await tunnels.rotate('web');
    await tunnels.delete('web');
    const route = { kind: 'route', item: 'a.example.com' };
    const ofTunnel = { kind: 'tunnel', item: tunnel.id };
    expect((await changes.since(0)).changes).toEqual([route, route, ofTunnel, ofTunnel]);
  });

  it('what a newer version notes beside us is passed over', async () => {
    const { serviceTokens, changes } = await folder.open();
    const raw = await folder.raw();
    raw.exec("insert into changes (kind, item) values ('something-new', 'x')");
    await serviceTokens.create('ci');
    expect(await changes.since(0)).toMatchObject({
      latest: 2,
      changes: [{ kind: 'service-token' }],
    });
  });

  it('the newest LIMITS.changes are kept, and who missed some is told', async () => {
    const { serviceTokens, changes } = await folder.open();
    await serviceTokens.create('ci');
    const raw = await folder.raw();
    raw.exec(`
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${LIMITS.changes})
      insert into changes (kind, item) select 'session', 'x' from n`);
    await serviceTokens.rotate('ci', 0);
    expect(rowsOf(raw, 'select count(*) as n from changes')).toEqual([{ n: LIMITS.changes }]);
    expect((await changes.since(1)).changes).toBe('missed');
    expect((await changes.since(LIMITS.changes)).changes).toHaveLength(2);
  });
});
