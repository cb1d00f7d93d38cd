/** Tunnels and routes from the command line: the same beside a running gateway and without one. */
import { readdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it, jest } from '@jest/globals';

import { openStore } from '../../src/store/sqlite/open.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector } from '../support/connector.ts';
import { Gateway } from '../support/gateway.ts';
import type { RunResult } from '../support/run.ts';

// Each step starts a program, and the machine may be busy.
jest.setTimeout(120_000);

const ID = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const TOKEN = expect.stringMatching(/^pst_[\w-]{64}$/);

/** What happened, as the database has it, oldest first. */
async function audited({ dir }: Gateway): Promise<string[]> {
  const store = await openStore({ file: join(dir, 'data', 'postern.db') });
  try {
    const events = await store.audit.list({ limit: 100 });
    return events
      .toReversed()
      .map(({ type, tunnel, hostname, actor }) =>
        [type, tunnel, hostname, actor].filter(Boolean).join(' '),
      );
  } finally {
    await store.close();
  }
}

function expectFailure(result: RunResult, line: RegExp): void {
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(result.stderr).toMatch(line);
}

describe.each([
  ['beside a running gateway', true],
  ['without a gateway', false],
])('%s', (_where, isRunning) => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await Gateway.create();
    if (isRunning) await gateway.start();
  });

  it('tunnels and routes live and die', async () => {
    const created = await gateway.json('tunnel', 'create', 'web');
    expect(created).toEqual({ id: ID, name: 'web', token: TOKEN });
    const { id } = await gateway.createTunnel('db');
    expectFailure(await gateway.cli('tunnel', 'create', 'web'), /"web".*\(STORE_EXISTS\)\n$/);

    const add = async (...words: string[]) => gateway.json('tunnel', 'route', 'add', ...words);
    const route = { hostname: 'a.postern.test', tunnel: 'db', tunnelId: id, createdAt: TIME };
    expect(await add('db', 'A.postern.test')).toEqual(route);
    expect(await add(id, 'a.postern.test')).toEqual(route);
    expect(await add('db', '*.wild.test')).toEqual({ ...route, hostname: '*.wild.test' });
    expectFailure(
      await gateway.cli('tunnel', 'route', 'add', 'web', 'a.postern.test'),
      /routed to tunnel "db".*\(ROUTE_CONFLICT\)\n$/,
    );
    expect(await gateway.json('tunnel', 'route', 'list')).toEqual([
      { ...route, hostname: '*.wild.test' },
      route,
    ]);
    expect(await gateway.json('tunnel', 'route', 'list', 'web')).toEqual([]);

    const known = isRunning ? { replicas: 0, links: 0 } : {};
    expect(await gateway.json('tunnel', 'list')).toEqual([
      { id, name: 'db', createdAt: TIME, routes: 2, ...known },
      { id: ID, name: 'web', createdAt: TIME, routes: 0, ...known },
    ]);
    expect(await gateway.json('tunnel', 'info', 'db')).toEqual({
      id,
      name: 'db',
      createdAt: TIME,
      routes: ['*.wild.test', 'a.postern.test'],
      ...(isRunning && { replicas: [] }),
    });

    expect(await gateway.json('tunnel', 'rotate', 'db')).toEqual({ id, name: 'db', token: TOKEN });
    expect(await gateway.json('tunnel', 'info', id)).toMatchObject({ rotatedAt: TIME });
    expect(await gateway.json('tunnel', 'route', 'remove', '*.wild.test')).toEqual({
      ...route,
      hostname: '*.wild.test',
    });
    expect(await gateway.json('tunnel', 'delete', 'db')).toEqual({ id, name: 'db' });
    expect(await gateway.json('tunnel', 'route', 'list')).toEqual([]);
    for (const word of ['info', 'rotate', 'delete']) {
      expectFailure(await gateway.cli('tunnel', word, 'db'), /"db".*\(STORE_NOT_FOUND\)\n$/);
    }
  });

  it('people get lines and tables', async () => {
    const created = await gateway.cli('tunnel', 'create', 'people');
    expect(created.code).toBe(0);
    expect(created.stdout).toMatch(
      /^Created tunnel "people" \([0-9a-f-]{36}\)\.\n\n[^]*\n {2}pst_[\w-]{64}\n/,
    );
    const said = async (...words: string[]) => (await gateway.cli('tunnel', ...words)).stdout;
    expect(await said('route', 'add', 'people', 'people.postern.test')).toBe(
      'people.postern.test leads to tunnel "people".\n',
    );
    const unknown = isRunning ? '0' : '\\?';
    expect(await said('list')).toMatch(
      new RegExp(
        `^NAME +ID +CREATED +ROUTES +REPLICAS +LINKS\n[^]*people +\\S+ +\\S+ +1 +${unknown} +${unknown}\n`,
      ),
    );
    expect(await said('info', 'people')).toMatch(
      /^tunnel +people\n[^]*\nroutes +people.postern.test\n/,
    );
    expect(await said('route', 'list')).toMatch(/^HOSTNAME +TUNNEL +CREATED\n/);
    expect(await said('rotate', 'people')).toMatch(/^Replaced the token of tunnel "people"/);
    expect(await said('route', 'remove', 'people.postern.test')).toBe(
      'people.postern.test leads to tunnel "people" no longer.\n',
    );
    expect(await said('delete', 'people')).toMatch(/^Deleted tunnel "people"/);
  });

  it('every change is audited with who made it, and no token is written anywhere', async () => {
    const { token } = await gateway.createTunnel('audited', ['audited.postern.test']);
    await gateway.json('tunnel', 'delete', 'audited');
    const actor = `cli:${userInfo().username}`;
    expect((await audited(gateway)).slice(-3)).toEqual([
      `tunnel.create audited ${actor}`,
      `route.add audited audited.postern.test ${actor}`,
      `tunnel.delete audited ${actor}`,
    ]);
    if (isRunning) expect(gateway.process.output.text()).not.toContain(token);
  });

  it('the state is for its owner alone', () => {
    const data = join(gateway.dir, 'data');
    expect(statSync(data).mode & 0o777).toBe(0o700);
    const secret = readdirSync(data).filter((name) => /\.db|\.sock|key/.test(name));
    expect(secret).toContain('postern.db');
    expect(secret.includes('admin.sock')).toBe(isRunning);
    for (const name of secret) expect(statSync(join(data, name)).mode & 0o077).toBe(0);
  });
});

describe('a tunnel with a connector', () => {
  it('shows the connector, its links and its hostnames', async () => {
    const gateway = await Gateway.create();
    await gateway.start();
    cleanup(async () => gateway.stop());
    const connector = await startConnector({
      gateway,
      ingress: [{ hostname: 'hello.postern.test', service: 'hello_world' }],
    });
    await connector.linksUp();
    const { name } = connector.tunnel;
    expect(await gateway.json('tunnel', 'list')).toMatchObject([{ name, replicas: 1, links: 4 }]);
    const link = { since: TIME, address: expect.any(String), streams: 0 };
    expect(await gateway.json('tunnel', 'info', name)).toMatchObject({
      replicas: [
        {
          id: ID,
          startedAt: TIME,
          software: expect.stringMatching(/^postern\//),
          links: [link, link, link, link],
          hostnames: ['hello.postern.test', '*'],
        },
      ],
    });
    const { stdout } = await gateway.cli('tunnel', 'info', name);
    expect(stdout).toMatch(
      /\nREPLICA +HOST +ADDRESS +SOFTWARE +STARTED +LINKS +STREAMS +RTT\n[0-9a-f-]{36} /,
    );
    expect(await gateway.json('gateway', 'status')).toMatchObject({ links: 4, isDraining: false });
  });

  it('a route takes effect at once, both ways', async () => {
    const gateway = await Gateway.create();
    await gateway.start();
    const tunnel = await gateway.createTunnel('web');
    const ingress = [{ hostname: 'hello.postern.test', service: 'hello_world' }];
    await startConnector({ gateway, ingress, tunnel });
    const status = async () => (await gateway.fetch('hello.postern.test')).status;
    expect(await status()).toBe(404);
    await gateway.json('tunnel', 'route', 'add', 'web', 'hello.postern.test');
    expect(await status()).toBe(200);
    await gateway.json('tunnel', 'route', 'remove', 'hello.postern.test');
    expect(await status()).toBe(404);
  });
});
