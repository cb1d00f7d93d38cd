/** Finds the running connector that a command is about, among those of this user. */
import { PosternError } from '../../../core/error.ts';
import { callConnector } from './control-client.ts';
import type { ConnectorStatus } from './control-message.ts';
import { controlSocketsIn } from './run-record.ts';
import { openRuntimeFolder } from './runtime-folder.ts';

/** How long one may take to say what it is, ms: its event loop may be busy. */
const STATUS_MS = 2_000;

/** A connector that answered. */
export interface FoundConnector {
  readonly socket: string;
  readonly status: ConnectorStatus;
}

export interface ConnectorChoice {
  /** Name or id of its tunnel. */
  readonly tunnel: string | undefined;
  /** Any of its processes. */
  readonly pid: number | undefined;
}

/** The one connector that is meant. Throws CLI_FAILED when there is none, CLI_USAGE, with a list, when there are several. */
export async function findConnector(choice: ConnectorChoice): Promise<FoundConnector> {
  const all = await runningConnectors();
  const [found, another] = all.filter(({ status }) => isMeant(status, choice));
  if (found === undefined) throw nobody(choice, all);
  if (another === undefined) return found;
  const remedy = 'name one with --pid';
  throw new PosternError('CLI_USAGE', `Cannot choose a connector: ${listed(all)} run; ${remedy}`);
}

async function runningConnectors(): Promise<FoundConnector[]> {
  const sockets = await controlSocketsIn(await openRuntimeFolder());
  const asked = sockets.map(async (socket) => {
    const answer = await callConnector(socket, 'status', STATUS_MS).catch(() => undefined);
    // The socket is our own user's, in a folder that nobody else can write to.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return answer === undefined ? undefined : { socket, status: answer as ConnectorStatus };
  });
  const found = await Promise.all(asked);
  return found.filter((one) => one !== undefined);
}

function isMeant(
  { pid, tunnel, tunnelId, state }: ConnectorStatus,
  choice: ConnectorChoice,
): boolean {
  if (choice.tunnel !== undefined && choice.tunnel !== tunnel && choice.tunnel !== tunnelId) {
    return false;
  }
  if (choice.pid !== undefined) return choice.pid === pid;
  // The others are there for one of these, or are on their way out.
  return state === 'starting' || state === 'serving';
}

function nobody({ tunnel, pid }: ConnectorChoice, all: readonly FoundConnector[]): PosternError {
  const wanted = [
    ...(tunnel === undefined ? [] : [` of tunnel "${tunnel}"`]),
    ...(pid === undefined ? [] : [` with process id ${pid}`]),
  ].join('');
  const others = all.length === 0 ? '' : `; there are ${listed(all)}`;
  const remedy = 'a service is reloaded with "systemctl reload"';
  const message = `Cannot find a connector${wanted} of this user${others}; ${remedy}`;
  return new PosternError('CLI_FAILED', message);
}

function listed(all: readonly FoundConnector[]): string {
  return all
    .map(({ status: { tunnel, pid, state } }) => `"${tunnel}" (process ${pid}, ${state})`)
    .join(', ');
}
