/**
 * Everything that people do with a gateway, while everything that can happen to it happens, in random order: nothing fails that
 * the table "What survives what" does not name, and nothing grows. Two minutes of it, or as many as
 * `npm run soak -- --minutes N` says.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { beforeAll, expect, it } from '@jest/globals';

import { eventually } from '../support/eventually.ts';
import { Faults, type Fault, type FaultKind } from '../support/load/faults.ts';
import { activeWorker } from '../support/load/interruptions.ts';
import { startLoadLab, type LoadLab } from '../support/load/load-lab.ts';
import { MixedLoad } from '../support/load/mixed-load.ts';
import { ProcessWatch } from '../support/load/process-watch.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { successors } from '../support/connector-reload.ts';
import { LogCodes } from './log-codes.ts';
import { Resources } from './resources.ts';
import { SoakFaults } from './soak-faults.ts';

const MINUTES = Number(process.env['POSTERN_SOAK_MINUTES'] ?? 2);
const SOAK_MS = MINUTES * 60_000;
/** Short, so that drains come to their end and cut. */
const GRACE_MS = 15_000;
/** How long streams and commands live at most, ms: the processes that serve them can go then. */
const LIFE_MS = 60_000;
/** Between two faults, ms at most. */
const REST_MS = 3_000;
/** How much more memory a process may use in the last third than in the first, MiB: a heap that has not settled yet. */
const GROWTH_MIB = 40;
/** How many more descriptors: connections that come and go. */
const GROWTH_DESCRIPTORS = 16;
/** Codes that faults may bring into a log; any other is a bug, above all PROTO_…. */
const EXPECTED_CODES = new Set([
  // Links that are cut, fall silent or meet a gateway that is just being replaced.
  'LINK_CLOSED',
  'LINK_DEAD',
  'LINK_REFUSED',
  'LINK_TIMEOUT',
  'LINK_TLS',
  'LINK_HANDSHAKE',
  // What is new while no connector has a link, and what is open when an end of it dies or a drain is over.
  'ROUTE_NO_REPLICA',
  'STREAM_LOST',
  'STREAM_REFUSED',
  'STREAM_RESET',
  'STREAM_CANCELLED',
  // The origin that is restarted, and the session that is revoked.
  'ORIGIN_REFUSED',
  'ORIGIN_RESET',
  'ACCESS_SIGN_IN',
  'ACCESS_REVOKED',
]);
/** The one line above `warn`: we killed it. */
const EXPECTED_ERRORS = new Set(['supervisor error  the worker died']);

const watch = new ProcessWatch();
let lab: LoadLab;

beforeAll(async () => {
  lab = await startLoadLab({
    gracePeriod: `${GRACE_MS / 1000}s`,
    isBreakable: true,
    isSocketActivated: true,
    env: watch.env,
  });
});

it(
  `holds for ${MINUTES} minutes of random faults`,
  async () => {
    const random = new SeededRandom();
    const faults = new Faults(GRACE_MS);
    const codes = new LogCodes();
    codes.listen(lab.gateway.process);
    codes.listen(lab.connector.process);
    const doing = new SoakFaults(lab, random, watch.env, () => codes.listen(lab.gateway.process));
    const resources = new Resources(watch);
    const load = new MixedLoad(lab, random, LIFE_MS);
    await load.allMove();
    const recoveries: string[] = [];
    const order = new Shuffled(random);
    for (const end = performance.now() + SOAK_MS; performance.now() < end;) {
      const done = await Promise.all(
        order.next().map((kind) => faults.note(kind, doing.actions[kind])),
      );
      await load.allMove();
      recoveries.push(describe(done));
      resources.take(await longLived());
      await delay(REST_MS * random.next());
    }
    await load.stop();
    const excused = Object.entries(faults.count(load.failures)).map(([why, n]) => `${n} ${why}`);
    const growth = resources.growth.map((one) => JSON.stringify(one));
    const complaints = [...codes.counts].map(([what, n]) => `${n} ${what}`);
    say(
      `\n  ${load.describe()}\n  faults: ${recoveries.join('; ')}\n  ${excused.join('\n  ')}\n  ${growth.join('\n  ')}\n  ${complaints.join('\n  ')}`,
    );

    expect(faults.complaints(load.failures)).toEqual([]);
    const unexpected = [...codes.codes].filter(([code]) => !EXPECTED_CODES.has(code));
    expect(unexpected).toEqual([]);
    expect(codes.errors.filter((line) => !EXPECTED_ERRORS.has(line))).toEqual([]);
    for (const { role, rssMib, descriptors } of resources.growth) {
      expect([role, rssMib[1] - rssMib[0]]).toEqual([role, below(GROWTH_MIB)]);
      expect([role, descriptors[1] - descriptors[0]]).toEqual([role, below(GROWTH_DESCRIPTORS)]);
    }
    await nobodyStays();
  },
  SOAK_MS + 400_000,
);

/** A process id of each role that is there from beginning to end, whoever has it now. */
async function longLived(): Promise<number[]> {
  const { gateway, connector, forwards } = lab;
  const own = [
    gateway.process.pid,
    connector.process.pid,
    ...forwards.map((one) => one.process.pid),
  ];
  return [...own, ...successors(connector).slice(-1), await activeWorker(gateway)];
}

/** Once the grace period is over, only the newest of each are left, and after the end nobody is. */
async function nobodyStays(): Promise<void> {
  const patient = { deadlineMs: GRACE_MS + 30_000, everyMs: 200 };
  const expected = new Set(await longLived());
  await eventually(() => {
    expect(watch.look().filter(({ pid }) => !expected.has(pid))).toEqual([]);
  }, patient);
  const { gateway, connector, forwards } = lab;
  await Promise.all([
    gateway.stop(),
    connector.stop(),
    ...forwards.map((one) => one.process.stop()),
  ]);
  await eventually(() => expect(watch.look()).toEqual([]), patient);
}

function below(limit: number): unknown {
  return { asymmetricMatch: (value: number) => value < limit, toString: () => `below ${limit}` };
}

function describe(done: readonly Fault[]): string {
  return done.map(({ kind, from, to }) => `${kind} (${Math.round(to - from)} ms)`).join(' with ');
}

/** All kinds in random order, again and again; now and then two at once of those that do not get in each other's way. */
class Shuffled {
  readonly #random: SeededRandom;
  #left: FaultKind[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  next(): FaultKind[] {
    const kind = this.#take(KINDS);
    if (!BESIDE_ALL.includes(kind) && this.#random.next() < 0.3) {
      return [kind, this.#random.pick(BESIDE_ALL)];
    }
    return [kind];
  }

  #take(all: readonly FaultKind[]): FaultKind {
    if (this.#left.length === 0) this.#left = [...all];
    const [taken] = this.#left.splice(this.#random.below(this.#left.length), 1);
    if (taken === undefined) throw new Error('Cannot take one of no faults');
    return taken;
  }
}

const BESIDE_ALL: readonly FaultKind[] = ['connector links cut', 'client links cut'];
const KINDS: readonly FaultKind[] = [
  'gateway reload',
  'worker killed',
  'supervisor killed',
  'connector reload',
  'connector links silent',
  'client links silent',
  'HTTP origin restarted',
  'session revoked',
  ...BESIDE_ALL,
];
