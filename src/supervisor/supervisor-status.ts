/** What a supervisor says about its workers, as `gateway status` shows it. Names of fields are API. */
import type { Clock } from '../core/clock.ts';
import { LIMITS } from '../core/limits.ts';
import { withResolvers } from '../core/with-resolvers.ts';
import type { WorkerProcess, WorkerState } from './worker-process.ts';

export interface WorkerStatus {
  readonly pid: number;
  readonly generation: number;
  readonly version: string;
  readonly state: WorkerState;
  /** Since when it is in its state, ISO 8601. */
  readonly since: string;
  /** What it says of itself; absent when it does not answer. */
  readonly work?: unknown;
}

export interface SupervisorStatus {
  /** Process id of the supervisor. */
  readonly pid: number;
  /** Of the worker that takes what is new; absent while there is none. */
  readonly generation?: number;
  readonly workers: readonly WorkerStatus[];
}

/** Asks all of them; one that hangs is waited for a moment. */
export async function describeWorkers(
  workers: readonly WorkerProcess[],
  clock: Clock,
): Promise<SupervisorStatus> {
  const active = workers.find(({ state }) => state === 'active');
  return {
    pid: process.pid,
    ...(active !== undefined && { generation: active.generation }),
    workers: await Promise.all(workers.map(async (worker) => describe(worker, clock))),
  };
}

async function describe(worker: WorkerProcess, clock: Clock): Promise<WorkerStatus> {
  const { pid, generation, state, since, ready } = worker;
  const work = state === 'starting' ? undefined : await workOf(worker, clock);
  return {
    pid,
    generation,
    version: ready?.version ?? '',
    state,
    since: new Date(since).toISOString(),
    ...(work !== undefined && { work }),
  };
}

async function workOf(worker: WorkerProcess, clock: Clock): Promise<unknown> {
  const answer = withResolvers<unknown>();
  const late = clock.after(LIMITS.workerStatusMs, () => answer.resolve(undefined));
  worker.status().then(answer.resolve, () => answer.resolve(undefined));
  try {
    return await answer.promise;
  } finally {
    late.cancel();
  }
}
