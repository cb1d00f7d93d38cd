/**
 * The way to the state for commands: through the running gateway where one answers, else on the database itself, with the
 * same operations. docs/decisions/0008.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { AdminClient } from '../admin/admin-client.ts';
import { AdminOperations, type ChangeListener } from '../admin/admin-operations.ts';
import type { AdminCall, AdminCalls, AdminPort } from '../admin/admin-api.ts';
import { adminSocketPath, probeSocket } from '../admin/admin-socket.ts';
import { gatewayDataDir, loadGatewayConfig } from '../config/gateway-config.ts';
import { PosternError } from '../core/error.ts';
import { openStore } from '../store/sqlite/open.ts';
import { CONFIG_OPTION, gatewayConfigFile } from './config-file.ts';

/** Options of every command that needs the state. */
export const ADMIN_OPTIONS = { config: CONFIG_OPTION.gateway } as const;

/** The argument of commands about one tunnel. */
export const TUNNEL_ARGUMENT = {
  tunnel: { type: 'string', demandOption: true, describe: 'Name or id of the tunnel' },
} as const;

/** The database of a gateway with this data directory. */
export function databaseFile(dataDir: string): string {
  return join(dataDir, 'postern.db');
}

/** Calls `use` with a port to the state of the gateway that `config` names, and closes it. Throws CONFIG_*, STORE_*, CLI_*. */
export async function withAdmin<T>(
  config: string | undefined,
  use: (port: AdminPort) => Promise<T>,
): Promise<T> {
  const { dataDir } = await loadGatewayConfig(gatewayConfigFile(config));
  const path = adminSocketPath(dataDir);
  const client = new AdminClient({ path, actor: currentActor() });
  const port = (await isRunning(path)) ? client : await openDatabase(dataDir, client);
  try {
    return await use(port);
  } finally {
    await port.close();
  }
}

/** Calls `use` with a port to the running gateway. CLI_FAILED when none runs. */
export async function withRunningGateway<T>(
  config: string | undefined,
  use: (port: AdminPort) => Promise<T>,
): Promise<T> {
  return use(await clientOfRunning(config));
}

/** The same for a call whose answer goes on: calls `onLine` with each of its lines, until that returns false or the gateway ends it. */
export async function followRunningGateway<C extends AdminCall>(
  config: string | undefined,
  call: C,
  params: AdminCalls[C]['params'],
  onLine: (line: unknown) => Promise<boolean>,
): Promise<void> {
  const client = await clientOfRunning(config);
  await client.follow(call, params, onLine);
}

async function clientOfRunning(config: string | undefined): Promise<AdminClient> {
  const dataDir = await dataDirOfRunning(gatewayConfigFile(config));
  const path = adminSocketPath(dataDir);
  if (await isRunning(path)) return new AdminClient({ path, actor: currentActor() });
  const message = `Cannot ask the gateway: none runs with data-dir "${dataDir}"`;
  throw new PosternError('CLI_FAILED', message);
}

/** A gateway that runs can be asked and rolled back also when the file it was started with has a mistake by now. */
async function dataDirOfRunning(file: string): Promise<string> {
  try {
    return (await loadGatewayConfig(file)).dataDir;
  } catch (error) {
    const dataDir = await gatewayDataDir(file).catch(() => undefined);
    if (dataDir !== undefined && (await isRunning(adminSocketPath(dataDir)))) return dataDir;
    throw error;
  }
}

async function isRunning(path: string): Promise<boolean> {
  // "forbidden" goes to the client too, whose error says what to do about it.
  return (await probeSocket(path)) !== 'nobody';
}

async function openDatabase(dataDir: string, client: AdminClient): Promise<AdminPort> {
  const store = await openStore({ file: databaseFile(dataDir) });
  const listener = lateGateway(adminSocketPath(dataDir), client);
  const operations = new AdminOperations({ store, actor: currentActor(), listener });
  return {
    call: async (call, params) => operations.call(call, params),
    close: async () => store.close(),
  };
}

/** A gateway may have started after we looked and before the change was made: tell it, so that it does not miss the change. */
function lateGateway(path: string, client: AdminClient): ChangeListener {
  return {
    routesChanged: async () => {
      if (await isRunning(path)) await client.call('gateway.refresh', {});
    },
    tunnelRevoked: async (revoked) => {
      if (await isRunning(path)) await client.call('gateway.refresh', revoked);
    },
  };
}

function currentActor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A user id without an entry, as containers have them.
    return `cli:${process.getuid?.() ?? 'unknown'}`;
  }
}
