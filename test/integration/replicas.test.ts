/**
 * Several connectors of one tunnel, and several tunnels at one gateway: who dies is left at once and without a failed GET, who
 * drains is left without anybody noticing, and nobody serves what is another's. K1 and K4 of docs/security.md.
 */
import { once } from 'node:events';
import { request } from 'node:https';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { auditEvents } from '../support/audit-log.ts';
import { startConnector, type Connector, type IngressEntry } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Answer, type Gateway, type Tunnel } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { askEcho, askHttp, SteadyRequests, type Asked } from '../support/steady-requests.ts';
import { toolPath } from '../support/tools.ts';

const STAYING = 'staying.postern.test';
const NEAR = 'near.postern.test';
/** How often one of the two is killed. */
const KILLS = 6;
const EVERYBODY = [{ action: 'bypass', include: ['everyone'] }];

describe('two replicas under steady requests', () => {
  let gateway: Gateway;
  let tunnel: Tunnel;
  let echo: TcpOrigin;
  let path: LinkProxy;
  /** One for each replica, so that both can be seen to serve. */
  let origins: HttpOrigin[];
  let replicas: Connector[];

  const startReplica = (origin: HttpOrigin): Promise<Connector> => {
    const ingress = [
      {
        hostname: 'web.postern.test',
        service: origin.service,
        'health-check': { path: '/slow?ms=1', interval: '1s', 'unhealthy-after': 1 },
      },
      { hostname: 'echo.postern.test', service: echo.service },
      { hostname: STAYING, service: origin.service },
      { hostname: NEAR, service: origin.service },
    ];
    return startConnector({ gateway, tunnel, ingress, via: [path] });
  };

  beforeAll(async () => {
    echo = await startEcho();
    origins = await Promise.all([startHttpOrigin(), startHttpOrigin()]);
    gateway = await startGateway({
      tcp: ['echo.postern.test'],
      config: {
        'resume-timeout': '1s',
        applications: [
          { name: 'staying', hostname: STAYING, stickiness: 'cookie', policies: EVERYBODY },
          { name: 'near', hostname: NEAR, stickiness: 'address', policies: EVERYBODY },
        ],
      },
    });
    const hostnames = ['web.postern.test', 'echo.postern.test', STAYING, NEAR];
    tunnel = await gateway.createTunnel('pair', hostnames);
    // A path that takes its time, so that much is under way whenever something happens.
    path = await startLinkProxy({ target: { port: gateway.ports.https }, delayMs: 15 });
    replicas = await Promise.all(origins.map(startReplica));
    await Promise.all(replicas.map((replica) => replica.linksUp()));
  });

  const startUsers = (): SteadyRequests[] => [
    new SteadyRequests({ users: 8, ask: askHttp(gateway, 'web.postern.test', '/slow?ms=5') }),
    new SteadyRequests({ users: 4, ask: askEcho(gateway.tcpPort('echo.postern.test')) }),
  ];

  /** Starts again whoever was killed. */
  const bringUp = async (): Promise<void> => {
    for (const replica of replicas) {
      if (replica.process.exit === undefined) continue;
      replica.start();
      await replica.ready();
    }
  };

  it('share the requests', async () => {
    const users = startUsers();
    await eventually(async () => {
      for (const origin of origins) expect((await origin.stats()).requests).toBeGreaterThan(20);
    });
    expect(await failures(users)).toEqual([]);
  });

  it('one after the other told to stop, and started again: no request fails', async () => {
    const users = startUsers();
    for (const [index, replica] of replicas.entries()) {
      await happening(users);
      expect(await replica.stop('SIGTERM')).toEqual({ code: 0, signal: null });
      await happening(users);
      replica.start();
      await replica.ready();
      await replica.linksUp();
      expect(replicas[index]).toBe(replica);
    }
    await happening(users);
    expect(await failures(users)).toEqual([]);
  });

  it('one killed: no GET fails, nor a connection that comes later', async () => {
    const users = startUsers();
    await happening(users);
    const [first, second] = replicas;
    const killedAt = performance.now();
    await first?.stop('SIGKILL');
    const { requests } = (await origins[0]?.stats()) ?? { requests: NaN };
    await lasting(users, killedAt + 2_000);
    const [web, echoes] = users;
    expect(await failures(web ? [web] : [])).toEqual([]);
    // Bytes that were under way to it are lost. The gateway learns of its death by the first packet.
    for (const { startedAt } of await failures(echoes ? [echoes] : [])) {
      expect(startedAt - killedAt).toBeLessThan(1_500);
    }
    expect((await origins[0]?.stats())?.requests).toBe(requests);
    expect(await gateway.metric('postern_gateway_replicas', { tunnel: 'pair' })).toBe(1);
    const moved = await gateway.metric('postern_gateway_http_requests_moved_total');
    expect(moved).toBeGreaterThan(0);
    expect(second?.process.exit).toBeUndefined();
  });

  it('the other one killed, and alone until it is started again: GETs wait, and none fails', async () => {
    const [first, second] = replicas;
    const [web] = startUsers();
    if (web === undefined) throw new Error('no users');
    await happening([web]);
    await second?.stop('SIGKILL');
    first?.start();
    await first?.ready();
    await happening([web]);
    expect(await failures([web])).toEqual([]);
  });

  it('killed by turns while people ask without a pause: no GET fails', async () => {
    await bringUp();
    const moved = (): Promise<number> =>
      gateway.metric('postern_gateway_http_requests_moved_total', { tunnel: 'pair' });
    const movedBefore = await moved();
    // Those that take their time are under way whenever somebody is killed.
    const users = [5, 150].map(
      (ms) =>
        new SteadyRequests({
          users: 12,
          ask: askHttp(gateway, 'web.postern.test', `/slow?ms=${ms}`),
        }),
    );
    for (let round = 0; round < KILLS; round += 1) {
      await happening(users);
      const replica = replicas[round % 2];
      await replica?.stop('SIGKILL');
      replica?.start();
      await replica?.ready();
    }
    await happening(users);
    expect(await failures(users)).toEqual([]);
    const asked = users.flatMap((one) => one.asked);
    const slowest = Math.max(...asked.map(({ startedAt, endedAt }) => endedAt - startedAt));
    const others = (await moved()) - movedBefore;
    say(
      `${asked.length} GETs over ${KILLS} kills, ${others} of them at a second replica; the slowest took ${Math.round(slowest)} ms`,
    );
    expect(others).toBeGreaterThan(KILLS);
  });

  it('keep people where they were, by a cookie that no origin sees or by their address, while they are there', async () => {
    await bringUp();
    const at = (hostname: string): unknown[] =>
      gateway.log.filter((line) => line['hostname'] === hostname).map((line) => line['replicaId']);
    const ask = (hostname: string, cookie = ''): Promise<Answer> =>
      gateway.fetch(hostname, '/echo', { headers: cookie === '' ? {} : { cookie } });

    const first = await ask(STAYING);
    const [cookie = '', ...more] = first.headers['set-cookie'] ?? [];
    expect(more).toEqual([]);
    expect(cookie).toMatch(
      /^__Host-postern_replica_[0-9a-f]{12}=[\w-]{16}\.[\w-]{16}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );
    const [pair = ''] = cookie.split(';');
    for (let n = 0; n < 6; n += 1) {
      const { status, headers, body } = await ask(STAYING, `a=1; ${pair}; b=2`);
      expect([status, headers['set-cookie']]).toEqual([200, undefined]);
      expect(body.toString()).toContain('"a=1; b=2"');
    }
    await eventually(() => at(STAYING).length === 7);
    expect(new Set(at(STAYING)).size).toBe(1);
    for (let n = 0; n < 6; n += 1) {
      expect((await ask(NEAR, pair)).headers['set-cookie']).toBeUndefined();
    }
    await eventually(() => at(NEAR).length === 6);
    expect(new Set(at(NEAR)).size).toBe(1);
    for (let n = 0; n < 4; n += 1) await ask(STAYING);
    await eventually(() => at(STAYING).length === 11);
    expect(new Set(at(STAYING)).size).toBe(2);

    const home = replicas.find(({ log }) =>
      log.some(({ replicaId }) => replicaId === at(STAYING)[0]),
    );
    await home?.stop('SIGKILL');
    const moved = await ask(STAYING, pair);
    const [other = ''] = moved.headers['set-cookie'] ?? [];
    expect([
      moved.status,
      other.startsWith(pair.split('=')[0] ?? '?'),
      other.startsWith(pair),
    ]).toEqual([200, true, false]);
  });

  it('one whose origin is down gets no requests, says so everywhere, and gets them again when it is up', async () => {
    await bringUp();
    const [first] = replicas;
    const unhealthy = (): Promise<number> =>
      gateway.metric('postern_gateway_unhealthy_rules', { tunnel: 'pair' });
    const port = origins[0]?.port ?? 0;
    await origins[0]?.stop();
    await eventually(async () => expect(await unhealthy()).toBe(1));
    const moved = await gateway.metric('postern_gateway_http_requests_moved_total');
    const users = startUsers();
    await happening(users);
    expect(await gateway.metric('postern_gateway_http_requests_moved_total')).toBe(moved);
    const info = await gateway.cli('tunnel', 'info', 'pair');
    expect(info.stdout).toMatch(/^unhealthy: web\.postern\.test at [0-9a-f-]{36}$/m);
    expect(await gateway.json('gateway', 'status')).toMatchObject({ unhealthyRules: 1 });
    expect((await gateway.cli('gateway', 'status')).stdout).toMatch(/unhealthy origins +1/);
    expect(await first?.metric('postern_connector_unhealthy_rules')).toBe(1);
    expect(first?.log).toContainEqual(
      expect.objectContaining({ msg: 'the origin is not healthy', errCode: 'ORIGIN_REFUSED' }),
    );

    const again = await startHttpOrigin({ port });
    await eventually(async () => expect(await unhealthy()).toBe(0));
    await eventually(async () => expect((await again.stats()).requests).toBeGreaterThan(20));
    expect(await failures(users)).toEqual([]);
  });
});

describe('several tunnels at one gateway', () => {
  let gateway: Gateway;
  let web: HttpOrigin;

  beforeAll(async () => {
    [web, gateway] = await Promise.all([startHttpOrigin(), startGateway()]);
  });

  /** Without a name in the TLS handshake: the certificate is for names of one level. */
  const statusOf = async (hostname: string): Promise<number> => {
    const to = { ...gateway.connectOptions(''), agent: false, headers: { host: hostname } };
    const [response] = await once(request(to).end(), 'response');
    response.resume();
    return response.statusCode;
  };

  it('K1 a second use of a token shows: in the log, in "tunnel info", in the metrics and in the audit log', async () => {
    const hostname = 'shown.postern.test';
    const tunnel = await gateway.createTunnel('shown', [hostname]);
    const ingress = [{ hostname, service: web.service }];
    const rightful = await startConnector({ gateway, tunnel, ingress });
    const elsewhere = ['sh', '-c', 'hostname stolen-laptop && exec "$@"', 'sh'];
    const inside = [toolPath('unshare'), ...asRoot(), '--uts', '--', ...elsewhere];
    const thief = await startConnector({ gateway, tunnel, ingress, inside });
    await Promise.all([rightful.linksUp(), thief.linksUp()]);

    const shown = await gateway.cli('tunnel', 'info', 'shown');
    const rows = shown.stdout.split('\n').filter((line) => /^[0-9a-f-]{36} /.test(line));
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toContain(' 127.0.0.1 ');
    expect(rows.filter((row) => row.includes(' stolen-laptop '))).toHaveLength(1);
    expect(await gateway.metric('postern_gateway_replicas', { tunnel: 'shown' })).toBe(2);

    const lines = gateway.log.filter(({ msg }) => msg === 'connector joined');
    expect(lines.map(({ tunnelName, count }) => [tunnelName, count])).toEqual([
      ['shown', 1],
      ['shown', 2],
    ]);
    const joinedFrom = String(lines[1]?.['address']);
    expect(joinedFrom).toMatch(/^127\.0\.0\.1:\d+$/);

    const joined = (await auditEvents(gateway)).filter(
      ({ type, tunnel: name }) => type === 'connector.join' && name === 'shown',
    );
    expect(joined).toHaveLength(2);
    expect(joined[1]?.detail).toMatchObject({ host: 'stolen-laptop', address: joinedFrom });
  });

  it('K4 a connector that announces a hostname of another tunnel is refused for it, and for nothing else', async () => {
    const [taken, own] = ['taken.postern.test', 'own.postern.test'];
    const owner = await startConnector({
      gateway,
      tunnel: await gateway.createTunnel('owner', [taken]),
      ingress: [{ hostname: taken, service: web.service }],
    });
    await owner.linksUp();
    const users = new SteadyRequests({ users: 4, ask: askHttp(gateway, taken, '/slow?ms=5') });
    await happening([users]);

    const other = await startConnector({
      gateway,
      tunnel: await gateway.createTunnel('other', [own]),
      ingress: [
        { hostname: taken, service: 'http_status:418' },
        { hostname: own, service: 'http_status:299' },
      ],
    });
    await other.linksUp();
    const refused = { hostname: taken };
    await eventually(() => {
      const told = other.log.filter(
        ({ msg }) => msg === 'the gateway refuses this hostname: another tunnel has it',
      );
      expect(told).toEqual([expect.objectContaining({ ...refused, level: 'error' })]);
    });
    const seen = gateway.log.filter(
      ({ msg }) => msg === 'a connector announced a hostname that is routed to another tunnel',
    );
    expect(seen).toEqual([
      expect.objectContaining({ ...refused, level: 'warn', tunnelName: 'other' }),
    ]);
    const events = (await auditEvents(gateway)).filter(
      ({ type }) => type === 'connector.hostname-refused',
    );
    expect(events).toEqual([expect.objectContaining({ ...refused, tunnel: 'other' })]);

    expect(await statusOf(own)).toBe(299);
    await happening([users]);
    expect(await failures([users])).toEqual([]);
  });

  it('K4 the route decides, also when it changes while both are connected', async () => {
    const hostname = 'moving.postern.test';
    const service = (status: number): IngressEntry[] => [
      { hostname, service: `http_status:${status}` },
    ];
    const [first, second] = [
      await gateway.createTunnel('first', [hostname]),
      await gateway.createTunnel('second'),
    ];
    await startConnector({ gateway, tunnel: first, ingress: service(201) });
    const later = await startConnector({ gateway, tunnel: second, ingress: service(202) });
    expect(await statusOf(hostname)).toBe(201);
    const taken = await gateway.cli('tunnel', 'route', 'add', 'second', hostname);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/ROUTE_CONFLICT/);
    await gateway.json('tunnel', 'route', 'remove', hostname);
    expect(await statusOf(hostname)).toBe(404);
    await eventually(() => later.log.some(({ msg }) => /no route leads/.test(String(msg))));
    await gateway.json('tunnel', 'route', 'add', 'second', hostname);
    expect(await statusOf(hostname)).toBe(202);
  });

  it('wildcard routes lead where the most specific one says', async () => {
    const apps = await gateway.createTunnel('apps', ['*.apps.postern.test']);
    const deep = await gateway.createTunnel('deep', ['*.deep.apps.postern.test']);
    const exact = await gateway.createTunnel('exact', ['one.apps.postern.test']);
    const answering = (status: number): IngressEntry[] => [{ service: `http_status:${status}` }];
    await Promise.all([
      startConnector({ gateway, tunnel: apps, ingress: answering(201) }),
      startConnector({ gateway, tunnel: deep, ingress: answering(202) }),
      // A hostname under somebody's wildcard is not its own to take.
      startConnector({
        gateway,
        tunnel: exact,
        ingress: [
          { hostname: 'two.apps.postern.test', service: 'http_status:418' },
          ...answering(203),
        ],
      }),
    ]);
    const statuses = {
      'any.apps.postern.test': 201,
      'two.apps.postern.test': 201,
      'a.b.apps.postern.test': 201,
      'any.deep.apps.postern.test': 202,
      'deep.apps.postern.test': 201,
      'one.apps.postern.test': 203,
      'ONE.Apps.postern.test.': 203,
      'apps.postern.test': 404,
      'xapps.postern.test': 404,
    };
    for (const [hostname, status] of Object.entries(statuses)) {
      expect({ hostname, status: await statusOf(hostname) }).toEqual({ hostname, status });
    }
    const refused = (await auditEvents(gateway)).filter(
      ({ type, tunnel }) => type === 'connector.hostname-refused' && tunnel === 'exact',
    );
    expect(refused.map(({ hostname }) => hostname)).toEqual(['two.apps.postern.test']);
  });
});

/** What `unshare` needs of somebody who is not root. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? [] : ['--map-root-user'];
}

/** Resolves after a good number of further requests. */
async function happening(users: readonly SteadyRequests[]): Promise<void> {
  const before = users.map(({ asked }) => asked.length);
  await eventually(
    () => users.every(({ asked }, index) => asked.length > (before[index] ?? 0) + 20),
    { deadlineMs: 30_000 },
  );
}

/** Resolves when each group of users has begun a request after that time, and ended it. */
async function lasting(users: readonly SteadyRequests[], until: number): Promise<void> {
  await eventually(
    () => users.every(({ asked }) => asked.some(({ startedAt }) => startedAt > until)),
    { deadlineMs: 30_000 },
  );
}

async function failures(users: readonly SteadyRequests[]): Promise<Asked[]> {
  const all = await Promise.all(users.map((one) => one.stop()));
  return all.flat().filter(({ failure }) => failure !== undefined);
}
