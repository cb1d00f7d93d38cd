/**
 * The gateway's worker is killed under everything that people do, again and again: streams of `access` lose no byte, what ends
 * in the gateway is lost and nothing else, and nobody is refused.
 */
import { beforeAll, expect, it } from '@jest/globals';

import { Faults } from '../support/load/faults.ts';
import { activeWorker, killProcess, spread } from '../support/load/interruptions.ts';
import type { LoadKind } from '../support/load/load.ts';
import { startLoadLab, type LoadLab } from '../support/load/load-lab.ts';
import { MixedLoad } from '../support/load/mixed-load.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const KILLS = 6;
/** Ten seconds each. */
const LOAD_MS = 60_000;
const GRACE_MS = 60_000;
const ACCESS: readonly LoadKind[] = ['access tcp', 'access stdio', 'access ssh'];
/** How long `access` streams may stand still, ms; on a busy machine so many times what the slowest of our short commands took there. */
const PAUSE_MS = 2_000;
const PAUSE_COMMANDS = 5;

let lab: LoadLab;

beforeAll(async () => {
  lab = await startLoadLab({ gracePeriod: `${GRACE_MS / 1000}s` });
});

it(`kill -9 of the worker, ${KILLS} times, costs only what ends in the gateway`, async () => {
  const { gateway } = lab;
  const random = new SeededRandom();
  const faults = new Faults(GRACE_MS);
  const load = new MixedLoad(lab, random);
  await load.allMove();
  const pauses: ReadonlyMap<LoadKind, number>[] = [];
  let slowestCommandMs = 0;
  await spread(KILLS, LOAD_MS, random, async () => {
    const askedAt = performance.now();
    const worker = await activeWorker(gateway);
    slowestCommandMs = Math.max(slowestCommandMs, performance.now() - askedAt);
    load.takeLongestPauses();
    await faults.note('worker killed', () => killProcess(worker));
    await load.allMove();
    pauses.push(load.takeLongestPauses());
  });
  await load.stop();
  const allowedMs = Math.round(Math.max(PAUSE_MS, PAUSE_COMMANDS * slowestCommandMs));
  const each = pauses.map((of) => JSON.stringify(Object.fromEntries(of)));
  const excused = Object.entries(faults.count(load.failures)).map(([why, n]) => `${n} ${why}`);
  say(
    `\n  ${load.describe()}\n  longest pauses, ms, kill by kill, at most ${allowedMs} for access:\n  ${each.join('\n  ')}\n  ${excused.join('\n  ')}`,
  );

  expect(faults.complaints(load.failures)).toEqual([]);
  expect(load.failures.filter(({ kind }) => ACCESS.includes(kind))).toEqual([]);
  expect(load.failures.filter(({ how }) => how === 'refused')).toEqual([]);
  const late = pauses.filter((of) => ACCESS.some((kind) => (of.get(kind) ?? 0) > allowedMs));
  expect(late).toEqual([]);
}, 400_000);
