import { describe, expect, it } from '@jest/globals';

import { systemClock } from '../../../src/core/clock.ts';
import { coded, DRIVERS, StoreFolder } from './sqlite-drivers.ts';

describe.each(DRIVERS)('routes with %s', (driver) => {
  const folder = new StoreFolder(driver);

  async function openWithTunnels() {
    const store = await folder.open({ clock: { ...systemClock, wall: () => 42 } });
    const { tunnel: home } = await store.tunnels.create('home');
    const { tunnel: away } = await store.tunnels.create('away');
    return { ...store, home, away };
  }

  it('add() routes a hostname, in its canonical form, to a tunnel by name or id', async () => {
    const { routes, home } = await openWithTunnels();
    const wiki = await routes.add('home', 'Wiki.Example.COM.');
    expect(wiki).toEqual({
      hostname: 'wiki.example.com',
      tunnelId: home.id,
      tunnelName: 'home',
      createdAt: 42,
    });
    const other = await routes.add(home.id, 'bücher.example');
    expect(other.hostname).toBe('xn--bcher-kva.example');
    expect(await routes.list()).toEqual([wiki, other]);
  });

  it('adding the same route again changes nothing', async () => {
    const { routes } = await openWithTunnels();
    const first = await routes.add('home', 'wiki.example.com');
    expect(await routes.add('home', 'WIKI.example.com')).toEqual(first);
    expect(await routes.list()).toEqual([first]);
  });

  it('a hostname of another tunnel is a conflict that names the owner', async () => {
    const { routes } = await openWithTunnels();
    await routes.add('home', 'wiki.example.com');
    await expect(routes.add('away', 'wiki.example.com')).rejects.toEqual(
      coded('ROUTE_CONFLICT', 'routed to tunnel "home"'),
    );
    expect((await routes.list()).map(({ tunnelName }) => tunnelName)).toEqual(['home']);
  });

  it('two tunnels that want one hostname at once end with one route', async () => {
    const { routes } = await openWithTunnels();
    const second = await folder.open();
    const results = await Promise.allSettled([
      routes.add('home', 'wiki.example.com'),
      second.routes.add('away', 'wiki.example.com'),
    ]);
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused).toEqual([
      { status: 'rejected', reason: coded('ROUTE_CONFLICT', 'wiki.example.com') },
    ]);
    expect(await routes.list()).toHaveLength(1);
  });

  it('a wildcard is a hostname of its own', async () => {
    const { routes } = await openWithTunnels();
    await routes.add('home', '*.example.com');
    await routes.add('away', 'wiki.example.com');
    await routes.add('away', 'example.com');
    expect((await routes.list()).map(({ hostname }) => hostname)).toEqual([
      '*.example.com',
      'example.com',
      'wiki.example.com',
    ]);
    await expect(routes.add('away', '*.example.com')).rejects.toEqual(
      coded('ROUTE_CONFLICT', '"*.example.com"'),
    );
    await routes.remove('wiki.example.com');
    expect((await routes.list('home')).map(({ hostname }) => hostname)).toEqual(['*.example.com']);
  });

  it('list() of one tunnel takes its name or id', async () => {
    const { routes, home } = await openWithTunnels();
    await routes.add('home', 'b.example.com');
    await routes.add('home', 'a.example.com');
    await routes.add('away', 'c.example.com');
    const hostnames = (await routes.list('home')).map(({ hostname }) => hostname);
    expect(hostnames).toEqual(['a.example.com', 'b.example.com']);
    expect(await routes.list(home.id)).toEqual(await routes.list('home'));
  });

  it('remove() returns the route, and the hostname is free', async () => {
    const { routes } = await openWithTunnels();
    const route = await routes.add('home', 'wiki.example.com');
    expect(await routes.remove('WIKI.example.com')).toEqual(route);
    expect(await routes.list()).toEqual([]);
    expect((await routes.add('away', 'wiki.example.com')).tunnelName).toBe('away');
  });

  it('what does not exist is STORE_NOT_FOUND, by name', async () => {
    const { routes } = await openWithTunnels();
    await expect(routes.add('nobody', 'a.example.com')).rejects.toEqual(
      coded('STORE_NOT_FOUND', 'Cannot route "a.example.com" to tunnel "nobody"'),
    );
    await expect(routes.list('nobody')).rejects.toEqual(coded('STORE_NOT_FOUND', '"nobody"'));
    await expect(routes.remove('a.example.com')).rejects.toEqual(
      coded('STORE_NOT_FOUND', 'Cannot remove the route of "a.example.com"'),
    );
  });

  it.each([
    ['an empty hostname', ''],
    ['a lone wildcard', '*'],
    ['a URL', 'https://a.example.com'],
    ['a port', 'a.example.com:443'],
    ['more than 253 characters', `${'a.'.repeat(130)}com`],
  ])('add() and remove() refuse %s', async (_, hostname) => {
    const { routes } = await openWithTunnels();
    const refusal = coded('ADMIN_BAD_REQUEST', 'it must be a hostname such as');
    await expect(routes.add('home', hostname)).rejects.toEqual(refusal);
    await expect(routes.remove(hostname)).rejects.toEqual(refusal);
  });
});
