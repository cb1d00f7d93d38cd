import { readFile } from 'node:fs/promises';

import { describe, expect, it } from '@jest/globals';

import { systemClock } from '../../../src/core/clock.ts';
import { formatTunnelToken, parseTunnelToken } from '../../../src/core/tunnel-token.ts';
import { coded, DRIVERS, rowsOf, StoreFolder } from './sqlite-drivers.ts';

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

describe.each(DRIVERS)('tunnels with %s', (driver) => {
  const folder = new StoreFolder(driver);

  it('create() returns the tunnel and its token', async () => {
    const { tunnels } = await folder.open({ clock: { ...systemClock, wall: () => 42 } });
    const { tunnel, token } = await tunnels.create('home');
    expect(tunnel).toEqual({
      id: expect.any(String),
      name: 'home',
      createdAt: 42,
      rotatedAt: undefined,
    });
    expect(parseTunnelToken(token)?.tunnelId).toBe(tunnel.id);
  });

  it('a tunnel is found by name and by id, also by another process', async () => {
    const { tunnel } = await (await folder.open()).tunnels.create('home');
    const { tunnels } = await folder.open();
    expect(await tunnels.find('home')).toEqual(tunnel);
    expect(await tunnels.find(tunnel.id)).toEqual(tunnel);
  });

  it.each([
    ['an empty name', ''],
    ['another name', 'away'],
    ['another id', UNKNOWN_ID],
    ['a piece of SQL', "' or 1=1 --"],
    ['a very long name', 'x'.repeat(100_000)],
    ['a NUL', '\0'],
  ])('find() finds nothing for %s', async (_, text) => {
    const { tunnels } = await folder.open();
    await tunnels.create('home');
    expect(await tunnels.find(text)).toBeUndefined();
  });

  it('list() is in order of names', async () => {
    const { tunnels } = await folder.open();
    expect(await tunnels.list()).toEqual([]);
    for (const name of ['b', 'c', 'a', '9']) await tunnels.create(name);
    expect((await tunnels.list()).map(({ name }) => name)).toEqual(['9', 'a', 'b', 'c']);
  });

  it('create() refuses a taken name and names it', async () => {
    const { tunnels } = await folder.open();
    await tunnels.create('home');
    await expect(tunnels.create('home')).rejects.toEqual(
      coded('STORE_EXISTS', 'Cannot create tunnel "home"'),
    );
  });

  it('create() refuses a bad name, shown on one short line', async () => {
    const { tunnels } = await folder.open();
    await expect(tunnels.create('My home')).rejects.toEqual(
      coded('ADMIN_BAD_REQUEST', 'Cannot create tunnel "My home": the name must be 1 to 64'),
    );
    const error: unknown = await tunnels.create(`a\nb${'x'.repeat(5000)}`).catch((err) => err);
    expect(error).toEqual(coded('ADMIN_BAD_REQUEST', String.raw`"a\nbxxx`));
    expect(String(error).length).toBeLessThan(400);
  });

  it('two creations of one name at once end with one tunnel', async () => {
    const stores = await Promise.all([folder.open(), folder.open(), folder.open()]);
    const results = await Promise.allSettled(
      stores.flatMap(({ tunnels }) => [tunnels.create('home'), tunnels.create('home')]),
    );
    const refused = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason] : [],
    );
    expect(refused).toEqual(Array.from({ length: 5 }, () => coded('STORE_EXISTS', '"home"')));
    expect(await stores[0]?.tunnels.list()).toHaveLength(1);
  });

  it('verifyToken() takes the token of a tunnel and nothing that resembles it', async () => {
    const { tunnels } = await folder.open();
    const home = await tunnels.create('home');
    const away = await tunnels.create('away');
    expect(await tunnels.verifyToken(home.token)).toEqual(home.tunnel);
    expect(await tunnels.verifyToken(away.token)).toEqual(away.tunnel);

    const secret = parseTunnelToken(home.token)?.secret ?? new Uint8Array();
    const flipped = Uint8Array.from(secret, (byte, index) => (index === 31 ? byte ^ 1 : byte));
    const wrong = [
      formatTunnelToken(home.tunnel.id, flipped),
      formatTunnelToken(away.tunnel.id, secret),
      formatTunnelToken(UNKNOWN_ID, secret),
      home.token.toUpperCase(),
      home.token.slice(0, -1),
      `${home.token}\n`,
      '',
      'pst_',
      "' or 1=1 --",
      'x'.repeat(100_000),
    ];
    const verified = await Promise.all(wrong.map((token) => tunnels.verifyToken(token)));
    expect(verified).toEqual(wrong.map(() => undefined));
  });

  it('rotate() replaces the token, by name or id', async () => {
    let now = 1000;
    const { tunnels } = await folder.open({ clock: { ...systemClock, wall: () => now } });
    const first = await tunnels.create('home');
    now = 2000;
    const second = await tunnels.rotate('home');
    expect(second.tunnel).toEqual({ ...first.tunnel, rotatedAt: 2000 });
    expect(await tunnels.verifyToken(first.token)).toBeUndefined();
    expect(await tunnels.verifyToken(second.token)).toEqual(second.tunnel);

    const third = await tunnels.rotate(first.tunnel.id);
    expect(await tunnels.verifyToken(second.token)).toBeUndefined();
    expect(await tunnels.verifyToken(third.token)).toEqual(third.tunnel);
  });

  it('a rotation is seen at once by another process', async () => {
    const gateway = await folder.open();
    const cli = await folder.open();
    const { token } = await gateway.tunnels.create('home');
    const rotated = await cli.tunnels.rotate('home');
    expect(await gateway.tunnels.verifyToken(token)).toBeUndefined();
    expect(await gateway.tunnels.verifyToken(rotated.token)).toEqual(rotated.tunnel);
  });

  it('delete() removes the tunnel, its routes and the worth of its token', async () => {
    const { tunnels, routes } = await folder.open();
    const { tunnel, token } = await tunnels.create('home');
    await tunnels.create('away');
    await routes.add('home', 'a.example.com');
    await routes.add('home', '*.example.com');
    await routes.add('away', 'b.example.com');

    expect(await tunnels.delete(tunnel.id)).toEqual(tunnel);
    expect(await tunnels.find('home')).toBeUndefined();
    expect(await tunnels.verifyToken(token)).toBeUndefined();
    expect((await routes.list()).map(({ hostname }) => hostname)).toEqual(['b.example.com']);
    expect(rowsOf(await folder.raw(), 'select count(*) as n from routes')).toEqual([{ n: 1 }]);
  });

  it('a name can be used again after delete(), with another id', async () => {
    const { tunnels } = await folder.open();
    const first = await tunnels.create('home');
    await tunnels.delete('home');
    const second = await tunnels.create('home');
    expect(second.tunnel.id).not.toBe(first.tunnel.id);
    expect(await tunnels.verifyToken(first.token)).toBeUndefined();
  });

  it('rotate() and delete() of an unknown tunnel name it', async () => {
    const { tunnels } = await folder.open();
    await expect(tunnels.rotate('away')).rejects.toEqual(
      coded('STORE_NOT_FOUND', 'Cannot rotate the token of tunnel "away"'),
    );
    await expect(tunnels.delete('away')).rejects.toEqual(
      coded('STORE_NOT_FOUND', 'Cannot delete tunnel "away"'),
    );
  });

  it('the file holds no secret, only its SHA-256', async () => {
    const store = await folder.open();
    const { token } = await store.tunnels.create('home');
    await store.close();
    const bytes = await readFile(folder.path());
    const secret = Buffer.from(parseTunnelToken(token)?.secret ?? []);
    const forms = [
      secret,
      ...(['hex', 'base64', 'base64url'] as const).map((form) => secret.toString(form)),
      token,
    ];
    expect(secret).toHaveLength(32);
    expect(forms.filter((form) => bytes.includes(form))).toEqual([]);
    const rows = rowsOf(await folder.raw(), 'select secret_hash from tunnels');
    expect(rows).toEqual([{ secret_hash: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
  });
});
