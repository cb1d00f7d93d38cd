/**
 * A minute of everything that people do with a gateway, while the gateway is replaced ten times under them and the connector
 * five times: nobody is refused, nothing fails, no byte is lost or comes twice.
 */
import { beforeAll, expect, it } from '@jest/globals';

import { reloadBySignal } from '../support/connector-reload.ts';
import { eventually } from '../support/eventually.ts';
import { Faults } from '../support/load/faults.ts';
import { reloadGateway, spread, workersOf } from '../support/load/interruptions.ts';
import { startLoadLab, type LoadLab } from '../support/load/load-lab.ts';
import { MixedLoad } from '../support/load/mixed-load.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const LOAD_MS = 60_000;
const GATEWAY_RELOADS = 10;
const CONNECTOR_RELOADS = 5;
/** Nothing that is under way reaches the end of it: what breaks was not cut by a drain. */
const GRACE_MS = 600_000;

let lab: LoadLab;

beforeAll(async () => {
  lab = await startLoadLab({ gracePeriod: `${GRACE_MS / 1000}s` });
});

it(`nobody notices ${GATEWAY_RELOADS} reloads of the gateway and ${CONNECTOR_RELOADS} of the connector`, async () => {
  const { gateway, connector } = lab;
  const random = new SeededRandom();
  const faults = new Faults(GRACE_MS);
  const load = new MixedLoad(lab, random);
  await load.allMove();
  load.takeLongestPauses();
  await Promise.all([
    spread(GATEWAY_RELOADS, LOAD_MS, random, () =>
      faults.note('gateway reload', () => reloadGateway(gateway)),
    ),
    spread(CONNECTOR_RELOADS, LOAD_MS, random, () =>
      faults.note('connector reload', () => reloadBySignal(connector)),
    ),
  ]);
  await load.allMove();
  const pauses = JSON.stringify(Object.fromEntries(load.takeLongestPauses()));
  await load.stop();
  const took = faults.list.map(({ kind, from, to }) => `${kind} ${Math.round(to - from)} ms`);
  say(`\n  ${load.describe()}\n  longest pauses, ms: ${pauses}\n  ${took.join(', ')}`);

  expect(faults.complaints(load.failures)).toEqual([]);
  expect(load.failures).toEqual([]);
  expect(load.reports.map(({ counts }) => counts['notices'] ?? 0)).toEqual(
    load.reports.map(() => 0),
  );
  expect(lab.exchanges.strays).toBe(0);
  // With their work their reason to stay is gone.
  await eventually(async () => expect(await workersOf(gateway)).toHaveLength(1), {
    deadlineMs: 60_000,
    everyMs: 500,
  });
}, 400_000);
