/** What is done to Postern under load, as its users would do it, each with the end that they would wait for. */
import { readFileSync } from 'node:fs';

import { setTimeout as delay } from 'node:timers/promises';

import { eventually } from '../eventually.ts';
import type { Gateway } from '../gateway.ts';
import type { SeededRandom } from '../seeded-random.ts';

/** A worker as `gateway status -o json` tells it. */
export interface SeenWorker {
  readonly pid: number;
  readonly generation: number;
  readonly state: string;
}

/** Replaces the worker. Resolves when the new one has taken over; rejects with what the command said. */
export async function reloadGateway(gateway: Gateway): Promise<void> {
  const { code, stderr } = await gateway.cli('gateway', 'reload');
  if (code !== 0) throw new Error(`Cannot reload the gateway: ${code}: ${stderr}`);
}

/** The gateway's workers, those that drain included. */
export async function workersOf(gateway: Gateway): Promise<readonly SeenWorker[]> {
  const status: unknown = await gateway.json('gateway', 'status');
  const workers: unknown = Reflect.get(Object(status), 'workers');
  if (!Array.isArray(workers)) throw new Error(`Cannot find workers: ${JSON.stringify(status)}`);
  return workers;
}

/** The process id of the worker that takes what is new. */
export async function activeWorker(gateway: Gateway): Promise<number> {
  const workers = await workersOf(gateway);
  const active = workers.find(({ state }) => state === 'active');
  if (active === undefined) throw new Error(`Cannot find the worker: ${JSON.stringify(workers)}`);
  return active.pid;
}

/** `kill -9`. Resolves when the process has let go of all it had. */
export async function killProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await eventually(() => isGone(pid), { everyMs: 1, what: `process ${pid} to be gone` });
}

/** Does something so many times within a time, at random moments but never two at once. */
export async function spread(
  times: number,
  overMs: number,
  random: SeededRandom,
  act: () => Promise<unknown>,
): Promise<void> {
  const since = performance.now();
  const share = overMs / times;
  for (let turn = 0; turn < times; turn += 1) {
    const at = (turn + random.next()) * share;
    await delay(Math.max(0, since + at - performance.now()));
    await act();
  }
  await delay(Math.max(0, since + overMs - performance.now()));
}

/** Also of a process that nobody has asked for its exit status yet. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
