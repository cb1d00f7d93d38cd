/** What administrators do, on a real database, with and without a gateway beside it. */
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import type { AdminPort } from '../../../src/admin/admin-api.ts';
import {
  AdminOperations,
  type AdminOperationsOptions,
  type RunningGateway,
} from '../../../src/admin/admin-operations.ts';
import { openStore } from '../../../src/store/sqlite/open.ts';
import type { Store } from '../../../src/store/store.ts';
import { cleanup } from '../../support/cleanup.ts';
import { tempDir } from '../../support/temp-dir.ts';

const ISO = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f-]{36}$/;

let store: Store;
/** What a gateway beside the operations was told, with what the database said at that moment. */
let told: string[];

beforeEach(async () => {
  store = await openStore({ file: join(tempDir('admin'), 'postern.db') });
  cleanup(() => store.close());
  told = [];
});

const gateway: RunningGateway = {
  status: () => ({
    id: 'g',
    version: '1',
    startedAt: 0,
    isDraining: false,
    links: 4,
    httpRequests: 0,
    webSockets: 0,
    tcpConnections: 0,
    clients: 0,
    clientStreams: 0,
    addresses: { https: '127.0.0.1:8443' },
    live: {
      httpRequests: { count: 0 },
      webSockets: { count: 0 },
      tcpConnections: { count: 0 },
      clientStreams: { count: 0 },
      links: { count: 4, oldestMs: 1_000 },
    },
  }),
  replicas: (id) => [
    { ...REPLICA, id: `replica of ${id}`, links: [LINK, LINK] },
    { ...REPLICA, id: 'waits for its links', links: [] },
  ],
  tunnels: () => [],
  tail: () => () => undefined,
  reload: async () => HANDED_OVER,
  rollBack: async () => HANDED_OVER,
  workers: async () => undefined,
  drain: async () => 3,
  routesChanged: async () => {
    const routes = await store.routes.list();
    told.push(`routes: ${routes.map(({ hostname }) => hostname).join(' ')}`);
  },
  tunnelRevoked: async ({ name, reason }) => {
    const tunnel = await store.tunnels.find(name);
    const events = await store.audit.list({ limit: 1 });
    told.push(
      `${name} ${reason}, in store: ${tunnel !== undefined}, last event: ${events[0]?.type}`,
    );
  },
};

const HANDED_OVER = { generation: 2, pid: 4, version: '2', draining: [1] };
const LINK = { index: 0, since: 0, address: '127.0.0.1:1', streams: 0 };
const REPLICA = {
  hostname: 'host',
  platform: 'linux/x64',
  software: 'postern/1',
  startedAt: 0,
  streams: 0,
  detached: 0,
  hostnames: ['a.example.com'],
};

function admin(options: Partial<AdminOperationsOptions> = {}): Pick<AdminPort, 'call'> {
  return new AdminOperations({ store, actor: 'cli:alice', ...options });
}

async function audited(): Promise<object[]> {
  const events = await store.audit.list({ limit: 100 });
  return events.map(({ id: _id, at: _at, ...event }) => event).toReversed();
}

describe('without a gateway', () => {
  it('a tunnel is created with a token that is good', async () => {
    const created = await admin().call('tunnel.create', { name: 'web' });
    expect(created).toEqual({
      id: expect.stringMatching(UUID),
      name: 'web',
      token: expect.stringMatching(/^pst_/),
    });
    expect(await store.tunnels.verifyToken(created.token)).toMatchObject({ name: 'web' });
  });

  it('tunnels are listed with what is known', async () => {
    await admin().call('tunnel.create', { name: 'web' });
    await admin().call('tunnel.create', { name: 'db' });
    await admin().call('route.add', { tunnel: 'web', hostname: 'a.example.com' });
    expect(await admin().call('tunnel.list', {})).toEqual([
      {
        id: expect.stringMatching(UUID),
        name: 'db',
        createdAt: expect.stringMatching(ISO),
        routes: 0,
      },
      {
        id: expect.stringMatching(UUID),
        name: 'web',
        createdAt: expect.stringMatching(ISO),
        routes: 1,
      },
    ]);
    expect(await admin().call('tunnel.info', { tunnel: 'web' })).toEqual({
      id: expect.stringMatching(UUID),
      name: 'web',
      createdAt: expect.stringMatching(ISO),
      routes: ['a.example.com'],
    });
  });

  it('routes are added once, listed and removed', async () => {
    const { id } = await admin().call('tunnel.create', { name: 'web' });
    await admin().call('tunnel.create', { name: 'db' });
    const route = {
      hostname: 'a.example.com',
      tunnel: 'web',
      tunnelId: id,
      createdAt: expect.stringMatching(ISO),
    };
    const params = { tunnel: 'web', hostname: 'A.example.com.' };
    expect(await admin().call('route.add', params)).toEqual(route);
    expect(await admin().call('route.add', params)).toEqual(route);
    expect(await admin().call('route.list', {})).toEqual([route]);
    expect(await admin().call('route.list', { tunnel: 'db' })).toEqual([]);
    expect(await admin().call('route.remove', { hostname: 'a.example.com' })).toEqual(route);
    expect(await admin().call('route.list', {})).toEqual([]);
  });

  it('rotating makes the old token worthless and shows when', async () => {
    const created = await admin().call('tunnel.create', { name: 'web' });
    const rotated = await admin().call('tunnel.rotate', { tunnel: created.id });
    expect(rotated).toMatchObject({ id: created.id, name: 'web' });
    expect(await store.tunnels.verifyToken(created.token)).toBeUndefined();
    expect(await store.tunnels.verifyToken(rotated.token)).toBeDefined();
    expect(await admin().call('tunnel.info', { tunnel: 'web' })).toMatchObject({
      rotatedAt: expect.stringMatching(ISO),
    });
  });

  it('deleting takes the routes along', async () => {
    const { id } = await admin().call('tunnel.create', { name: 'web' });
    await admin().call('route.add', { tunnel: 'web', hostname: 'a.example.com' });
    expect(await admin().call('tunnel.delete', { tunnel: 'web' })).toEqual({ id, name: 'web' });
    expect(await admin().call('route.list', {})).toEqual([]);
    expect(await admin().call('tunnel.list', {})).toEqual([]);
  });

  it.each(['tunnel.info', 'tunnel.rotate', 'tunnel.delete', 'route.list'] as const)(
    '%s says that a tunnel does not exist',
    async (call) => {
      await expect(admin().call(call, { tunnel: 'nobody' })).rejects.toMatchObject({
        code: 'STORE_NOT_FOUND',
        message: expect.stringContaining('"nobody"'),
      });
    },
  );

  it('only a gateway can answer for itself', async () => {
    for (const call of ['gateway.status', 'gateway.drain', 'gateway.refresh'] as const) {
      await expect(admin().call(call, {})).rejects.toMatchObject({ code: 'CLI_FAILED' });
    }
  });

  it('every change is in the audit log, with who made it, and nothing else is', async () => {
    const { id } = await admin().call('tunnel.create', { name: 'web' });
    await admin().call('route.add', { tunnel: 'web', hostname: 'a.example.com' });
    await admin().call('route.remove', { hostname: 'a.example.com' });
    await admin().call('tunnel.rotate', { tunnel: 'web' });
    await admin().call('tunnel.delete', { tunnel: 'web' });
    await admin().call('tunnel.list', {});
    await admin().call('route.list', {});
    await expect(admin().call('tunnel.delete', { tunnel: 'web' })).rejects.toBeDefined();
    const actor = 'cli:alice';
    expect(await audited()).toEqual([
      { type: 'tunnel.create', tunnel: 'web', actor, detail: { id } },
      { type: 'route.add', tunnel: 'web', hostname: 'a.example.com', actor },
      { type: 'route.remove', tunnel: 'web', hostname: 'a.example.com', actor },
      { type: 'tunnel.rotate', tunnel: 'web', actor, detail: { id } },
      { type: 'tunnel.delete', tunnel: 'web', actor, detail: { id } },
    ]);
  });
});

describe('beside a gateway', () => {
  it('the gateway learns of changes after the store and before the audit log', async () => {
    const here = admin({ gateway });
    await here.call('tunnel.create', { name: 'web' });
    await here.call('route.add', { tunnel: 'web', hostname: 'a.example.com' });
    await here.call('tunnel.rotate', { tunnel: 'web' });
    await here.call('tunnel.delete', { tunnel: 'web' });
    expect(told).toEqual([
      'routes: a.example.com',
      'web rotated, in store: true, last event: route.add',
      'web deleted, in store: false, last event: tunnel.rotate',
      'routes: ',
    ]);
  });

  it('tunnels are shown with their connectors; a replica without a link counts for nothing', async () => {
    const here = admin({ gateway });
    const { id } = await here.call('tunnel.create', { name: 'web' });
    expect(await here.call('tunnel.list', {})).toMatchObject([{ replicas: 1, links: 2 }]);
    expect(await here.call('tunnel.info', { tunnel: 'web' })).toMatchObject({
      replicas: [
        {
          id: `replica of ${id}`,
          startedAt: '1970-01-01T00:00:00.000Z',
          links: [{ since: '1970-01-01T00:00:00.000Z' }, {}],
        },
        { links: [] },
      ],
    });
  });

  it('the gateway is asked for its status and drained', async () => {
    const here = admin({ gateway });
    expect(await here.call('gateway.status', {})).toMatchObject({
      startedAt: '1970-01-01T00:00:00.000Z',
      links: 4,
    });
    expect(await here.call('gateway.drain', {})).toEqual({ cut: 3 });
    expect(await audited()).toEqual([{ type: 'gateway.drain', actor: 'cli:alice' }]);
  });

  it('a gateway that started during a change reads everything again', async () => {
    const here = admin({ gateway });
    expect(await here.call('gateway.refresh', {})).toEqual({});
    await here.call('gateway.refresh', { id: 'x', name: 'web', reason: 'deleted' });
    expect(told).toEqual([
      'routes: ',
      'web deleted, in store: false, last event: undefined',
      'routes: ',
    ]);
  });
});
