/** A real PostgreSQL behind a plain TCP port, used by psql. */
import { join } from 'node:path';
import { statSync } from 'node:fs';

import { afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';

import { startForward } from '../support/client.ts';
import type { Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { metricBecomes } from '../support/ops-client.ts';
import { fileSha256 } from '../support/pattern-file.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startPostgres, type Postgres } from '../support/real/postgres.ts';
import { mustRun, type RunOptions, type RunResult } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';

const HOST = 'db.postern.test';
const MIB = 1024 * 1024;
/** 100 MiB and a little as text, of which no two rows are alike. */
const ROWS = 840_000;

let postgres: Postgres;
let gateway: Gateway;
let connector: Connector;
let port: number;

beforeAll(async () => {
  postgres = await startPostgres();
  const ingress = [{ hostname: HOST, service: postgres.service }];
  ({ gateway, connector } = await startPostern({ tcp: [HOST], ingress }));
  await connector.linksUp();
  port = gateway.tcpPort(HOST);
});

beforeEach(() => void guardLinks(connector));

afterEach(async () => {
  await metricBecomes(gateway.ports.metrics, 'postern_gateway_streams_open', 0);
  await metricBecomes(connector.metricsPort, 'postern_connector_streams_open', 0);
});

/** Runs SQL through the tunnel. */
function psql(sql: string, options: RunOptions = {}): Promise<RunResult> {
  return postgres.sql(sql, { ...options, port });
}

/** An open session through the tunnel, which reads SQL from its stdin. */
function session(): TestProcess {
  return startProcess(toolPath('psql'), postgres.psqlOptions(port), { name: 'psql' });
}

it('COPY goes out and in again through `postern access tcp`', async () => {
  const { process, port: forwarded } = await startForward({ gateway, hostname: HOST });
  const rows = 'select n, md5(n::text) as x from generate_series(1, 100000) n';
  await postgres.sql(`create table sent as ${rows}`);
  const file = join(tempDir('forwarded'), 'out');
  await postgres.sql('copy sent to stdout', { port: forwarded, stdoutFile: file });
  await postgres.sql('create table back (like sent)');
  await postgres.sql('copy back from stdin', { port: forwarded, stdinFile: file });
  const compare =
    'select count(*), count(*) filter (where s.x = b.x) from sent s join back b using (n)';
  expect((await postgres.sql(compare)).stdout).toBe('100000|100000\n');
  expect(await process.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

it('COPY takes 100 MiB out and in again', async () => {
  const dir = tempDir('copy');
  const at = (name: string): string => join(dir, name);
  const how = { deadlineMs: 90_000 };
  await postgres.sql('create table made (n int primary key, x text)');
  const rows = `select n, md5(n::text) || md5((-n)::text) || md5((7 * n)::text) || repeat('x', n % 49)
    from generate_series(1, ${ROWS}) n`;
  await postgres.sql(`insert into made ${rows}`, how);

  await psql('copy made to stdout', { ...how, stdoutFile: at('out') });
  expect(statSync(at('out')).size).toBeGreaterThan(100 * MIB);
  await postgres.sql('copy made to stdout', { ...how, stdoutFile: at('direct') });
  expect(await fileSha256(at('out'))).toBe(await fileSha256(at('direct')));

  await postgres.sql('create table copied (like made)');
  await psql('copy copied from stdin', { ...how, stdinFile: at('out') });
  const compare = 'select count(*), count(*) filter (where m.x = c.x)';
  const { stdout } = await psql(`${compare} from made m join copied c using (n)`, how);
  expect(stdout).toBe(`${ROWS}|${ROWS}\n`);
}, 180_000);

it('a binary COPY is piped from one session into another', async () => {
  await postgres.sql('create table numbers as select generate_series(1, 200000)::bigint as n');
  await postgres.sql('create table doubled (n bigint)');
  const side = (sql: string): string[] => [...postgres.psqlOptions(port), '-c', sql];
  const [out, into] = [
    side('copy numbers to stdout (format binary)'),
    side('copy doubled from stdin (format binary)'),
  ];
  const script = 'psql=$1; n=$2; shift 2; "$psql" "${@:1:n}" | "$psql" "${@:n+1}"';
  const args = ['-c', script, 'bash', toolPath('psql'), String(out.length), ...out, ...into];
  await mustRun('bash', args, { deadlineMs: 60_000 });
  expect((await psql('select count(*), sum(n) from doubled')).stdout).toBe('200000|20000100000\n');
});

it('a session that waits hears of a NOTIFY', async () => {
  const listener = session();
  listener.stdin.write("listen jobs;\nselect 'listening';\n");
  await listener.waitForLine(/^listening$/);
  await psql("notify jobs, 'number 42'");
  // psql looks for notifications when it has run something.
  await eventually(() => {
    listener.stdin.write('select 1;\n');
    expect(listener.stdout).toMatch(/notification "jobs" with payload "number 42"/);
  });
  listener.stdin.end();
  expect(await listener.exited).toEqual({ code: 0, signal: null });
});

it('a query is cancelled from the keyboard, over a connection of its own', async () => {
  const busy = session();
  busy.stdin.write('select pg_sleep(600);\n');
  const isAsleep = "select count(*) from pg_stat_activity where query like 'select pg_sleep(6%'";
  await eventually(async () => (await postgres.sql(isAsleep)).stdout === '1\n');
  busy.kill('SIGINT');
  await busy.waitForLine(/canceling statement due to user request/);
  expect(await busy.exited).toEqual({ code: 3, signal: null });
  await eventually(async () => (await postgres.sql(isAsleep)).stdout === '0\n');
});

it('a session that the server ends is told so', async () => {
  const doomed = session();
  doomed.stdin.write('select pg_backend_pid();\n');
  const [pid] = await doomed.waitForLine(/^\d+$/);
  await postgres.sql(`select pg_terminate_backend(${pid})`);
  doomed.stdin.end('select 1;\n');
  expect(await doomed.exited).toEqual({ code: 2, signal: null });
  expect(doomed.stderr).toMatch(/terminating connection due to administrator command/);
});
