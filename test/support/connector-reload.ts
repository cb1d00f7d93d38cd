/** Reloads a running connector, and looks at the processes it is made of. */
import { readdirSync, readFileSync } from 'node:fs';

import type { Connector } from './connector.ts';
import { eventually } from './eventually.ts';
import { posternCommand, posternEnv, run, type RunResult } from './run.ts';

/** The process ids that took over so far, the newest last. */
export function successors(connector: Connector): number[] {
  return connector.log
    .filter(({ msg }) => msg === 'a new process has taken over')
    .map(({ process }) => Number(process));
}

/** Sends SIGHUP and resolves with the process id that has taken over then. */
export async function reloadBySignal(connector: Connector): Promise<number> {
  const before = successors(connector).length;
  connector.process.kill('SIGHUP');
  await eventually(() => successors(connector).length > before, {
    deadlineMs: 30_000,
    what: 'a successor',
  });
  return successors(connector).at(-1) ?? 0;
}

/** The processes that were started by this one and are still there. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

/** Whether there is such a process, and not only its exit status. */
export function isRunning(pid: number): boolean {
  const state = fieldsOf(String(pid))[0];
  return state !== undefined && state !== 'Z';
}

function parentOf(pid: string): number {
  return Number(fieldsOf(pid)[1]);
}

/** proc(5): what stands behind the name of the program: state, parent… */
function fieldsOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** `postern tunnel reload …` where the sockets of this connector are. */
export function reloadByCommand(
  connector: Connector,
  ...words: readonly string[]
): Promise<RunResult> {
  const [command, args] = posternCommand('tunnel', 'reload', ...words);
  return run(command, args, {
    env: posternEnv({ RUNTIME_DIRECTORY: connector.dir }),
    deadlineMs: 60_000,
  });
}
