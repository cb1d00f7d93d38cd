/**
 * PostgreSQL in a fresh cluster of its own: trusted connections on 127.0.0.1 and on a Unix socket.
 *
 * It refuses to run as root, so then it runs as the user its package made. Durability is off: the data live as long as
 * the test.
 */
import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { join } from 'node:path';

import { launch, startProcess } from '../processes.ts';
import { mustRun, type RunOptions, type RunResult } from '../run.ts';
import { tempDir } from '../temp-dir.ts';
import { requireTools, toolPath } from '../tools.ts';
import { freePort } from './port.ts';
import { whenReady } from './ready.ts';

export interface Postgres {
  readonly port: number;
  /** The service as an ingress rule names it: `tcp://127.0.0.1:<port>`. */
  readonly service: string;
  /** The directory with its Unix socket, as `psql -h` takes it. */
  readonly socketDir: string;
  /** The Unix socket itself. */
  readonly socketPath: string;
  /** A connection string, for its own port or another one that leads to it. */
  readonly url: (port?: number) => string;
  /** Arguments of psql before `-c` or `-f`, for its own port or another one. */
  readonly psqlOptions: (port?: number) => string[];
  /** Runs SQL with psql through `port` (default: its own). Rejects when it fails. */
  readonly sql: (
    text: string,
    options?: RunOptions & { readonly port?: number },
  ) => Promise<RunResult>;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

const SUPERUSER = 'postgres';

const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'max_connections=300',
  'shared_buffers=32MB',
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'autovacuum=off',
  'max_wal_size=1GB',
] as const;

/** Makes a cluster and starts it. The clean-up stops it. */
export async function startPostgres(): Promise<Postgres> {
  requireTools('postgres', 'initdb', 'psql');
  const dir = tempDir('pg');
  const user = process.getuid?.() === 0 ? SUPERUSER : undefined;
  if (user !== undefined) chownSync(dir, idOf('-u', user), idOf('-g', user));
  const data = join(dir, 'data');
  const make = [
    '-D',
    data,
    '-U',
    SUPERUSER,
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ];
  const initdb = launch(toolPath('initdb'), make, user);
  await mustRun(initdb.command, initdb.args, { deadlineMs: 60_000, cwd: dir });

  const port = await freePort();
  const settings = [...SETTINGS, `unix_socket_directories=${dir}`].flatMap((line) => ['-c', line]);
  const server = startProcess(toolPath('postgres'), ['-D', data, '-p', String(port), ...settings], {
    name: 'postgres',
    cwd: dir,
    ...(user === undefined ? {} : { user }),
  });
  const psqlOptions = (through = port): string[] => {
    const where = ['-h', '127.0.0.1', '-p', String(through), '-U', SUPERUSER, '-d', 'postgres'];
    return ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...where];
  };
  const sql: Postgres['sql'] = (text, { port: through, ...how } = {}) =>
    mustRun(toolPath('psql'), [...psqlOptions(through), '-c', text], how);
  await whenReady(server, () => sql('select 1'));
  return {
    port,
    service: `tcp://127.0.0.1:${port}`,
    socketDir: dir,
    socketPath: join(dir, `.s.PGSQL.${port}`),
    url: (through = port) => `postgresql://${SUPERUSER}@127.0.0.1:${through}/postgres`,
    psqlOptions,
    sql,
    log: () => server.stderr,
    // A fast shutdown: it ends the sessions instead of waiting for them.
    stop: async () => void (await server.stop('SIGINT')),
  };
}

function idOf(kind: '-u' | '-g', user: string): number {
  return Number(execFileSync('id', [kind, user], { encoding: 'utf8' }));
}
