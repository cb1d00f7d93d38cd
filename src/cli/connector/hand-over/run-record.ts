/**
 * What is remembered of each run of a connector in the runtime folder: so that the one that comes after it can tell the gateway that
 * it is dead. docs/protocol.md §4 `replaces`.
 *
 * A run is dead when its process is gone and nobody listens on its control socket. Both, because process ids are used again, and
 * a container may not see the processes of another one; and a run that lost its links is neither.
 */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:net';
import { once } from 'node:events';
import { codeOf } from '../../../core/error.ts';
import { isId } from '../../../core/id.ts';
import { LIMITS } from '../../../core/limits.ts';
import { writeFileAtomic } from '../../../core/write-file-atomic.ts';

/** A run of a connector. */
interface RunRecord {
  readonly replica: string;
  readonly tunnelId: string;
  readonly pid: number;
  /** When the process started, as the system counts; empty where it does not tell. */
  readonly started: string;
}

/** Of a run that is dead: how it is known at the gateway, and the files it left. */
export interface DeadRun {
  readonly replica: string;
  readonly files: readonly string[];
}

interface LostRun extends DeadRun {
  readonly tunnelId: string;
  /** Wall-clock time, ms. */
  readonly writtenAt: number;
}

/** The control socket of a run. */
export function controlSocketOf(folder: string, replica: string): string {
  return `${join(folder, nameOf(replica))}.sock`;
}

/** The control sockets in a folder, of runs that live and of those that left theirs behind. */
export async function controlSocketsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith('.sock'))
    .slice(0, LIMITS.connectorRuns)
    .map((name) => join(folder, name));
}

/** Remembers this process as a run. Rejects with the system's error. */
export async function writeRunRecord(
  folder: string,
  run: { readonly replica: string; readonly tunnelId: string },
): Promise<void> {
  const record: RunRecord = { ...run, pid: process.pid, started: await startOf(process.pid) };
  await writeFileAtomic(recordOf(folder, run.replica), JSON.stringify(record), 0o600);
}

/** Forgets a run that ended in order. */
export async function forgetRun(folder: string, replica: string): Promise<void> {
  await rm(recordOf(folder, replica), { force: true });
}

/**
 * Runs of a tunnel that died without a word, the latest first. Removes what nobody asks for any more: of this tunnel when there are
 * too many, of others after LIMITS.runRecordMs.
 */
export async function findDeadRuns(folder: string, tunnelId: string): Promise<DeadRun[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const looked = names
    .slice(0, LIMITS.connectorRuns)
    .map(async (name) => look(folder, join(folder, name)));
  const dead = (await Promise.all(looked)).filter((run) => run !== undefined);
  const own = dead
    .filter((run) => run.tunnelId === tunnelId)
    .toSorted((a, b) => b.writtenAt - a.writtenAt);
  const old = dead.filter(
    (run) => run.tunnelId !== tunnelId && Date.now() - run.writtenAt > LIMITS.runRecordMs,
  );
  await removeDeadRuns([...own.slice(LIMITS.replacedRuns), ...old]);
  return own.slice(0, LIMITS.replacedRuns);
}

/** The dead run that a record is of; undefined for one that lives, and for what is no record. */
async function look(folder: string, file: string): Promise<LostRun | undefined> {
  try {
    const record = parseRecord(JSON.parse(await readFile(file, 'utf8')));
    if (record === undefined) return undefined;
    const { replica, tunnelId } = record;
    const socket = controlSocketOf(folder, replica);
    if (!(await isDead(record, socket))) return undefined;
    const { mtimeMs: writtenAt } = await stat(file);
    return { replica, tunnelId, writtenAt, files: [file, socket] };
  } catch {
    // It is gone meanwhile, or somebody's own: not ours to judge.
    return undefined;
  }
}

/** Removes what dead runs left, once the gateway knows of them. */
export async function removeDeadRuns(runs: readonly DeadRun[]): Promise<void> {
  const files = runs.flatMap((run) => run.files);
  await Promise.all(files.map(async (file) => rm(file, { force: true })));
}

function parseRecord(value: unknown): RunRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { replica, tunnelId, pid, started }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof tunnelId !== 'string' || typeof started !== 'string') return undefined;
  if (typeof replica !== 'string' || !isId(replica)) return undefined;
  return typeof pid === 'number' && pid > 0 ? { replica, tunnelId, pid, started } : undefined;
}

async function isDead({ pid, started }: RunRecord, socket: string): Promise<boolean> {
  return (await isProcessGone(pid, started)) && (await isAbandoned(socket));
}

async function isProcessGone(pid: number, started: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
  // The id may be another process's by now.
  return started !== '' && (await startOf(pid)) !== started;
}

/** Whether nobody listens there, though somebody did. */
async function isAbandoned(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return codeOf(error) === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}

/** proc(5): state and start of a process; empty where there is none, and for one that only waits to be buried. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const [state = '', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? '' : (fields[18] ?? '');
}

function recordOf(folder: string, replica: string): string {
  return `${join(folder, nameOf(replica))}.json`;
}

/** Short, because the address of a Unix socket is. */
function nameOf(replica: string): string {
  return replica.replaceAll('-', '').slice(0, 16);
}
