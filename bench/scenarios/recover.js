/**
 * What people feel of an interruption: the longest that one of a row of keystrokes through `access tcp` takes while the gateway
 * is reloaded, its worker is killed, it is killed as a whole and started again, and the connector is reloaded. Beside it the
 * time of the command, and the memory of the supervisor, which does nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { residentBytesOf } from '../harness/process-stats.js';
import { medianOf, rangeOf } from '../harness/table.js';
import { posternClient } from '../peers/postern.js';

const KEY_BYTES = 36;
const PAUSE_MS = 5;
/** The keystrokes go on for so long before the interruption, and after its command has ended. */
const BEFORE_MS = 500;
const AFTER_MS = 3_000;
/** The longest that a keystroke may take, ms. */
const PATIENCE_MS = 60_000;

const MiB = 1024 * 1024;

export const recover = {
  name: 'recover',
  title: 'Keystrokes through an interruption',
  carries: 'tcp',
  tunnelsOnly: true,
  async run({ lab, peers, rounds, say }) {
    if (!peers.includes(posternClient)) return { series: {}, tables: [] };
    const reason = await posternClient.unavailable();
    if (reason !== undefined) throw new Error(reason);
    const echo = await lab.load('echo-origin');
    const typist = await lab.load('keystroke-client');
    const running = await posternClient.start(lab, { tcp: await echo.call('listen') });
    const { port, control } = { port: running.ports.echo, control: running.control };
    const interruptions = [
      { name: 'nothing', act: async () => delay(BEFORE_MS) },
      { name: 'gateway reload', act: () => control.reloadGateway() },
      { name: 'kill -9 of the worker', act: () => control.killWorker() },
      { name: 'kill -9 of the supervisor, and a start', act: () => control.restartGateway() },
      { name: 'connector reload', act: () => control.reloadConnector() },
    ];
    const rows = interruptions.map(({ name }) => ({ name, title: name, samples: [] }));
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, { name, act }] of interruptions.entries()) {
        say(`${name}, round ${round + 1}`);
        const sample = await measure(typist, port, act);
        const supervisorMib = residentBytesOf(control.supervisor()) / MiB;
        rows[index].samples.push({ ...sample, supervisorMib });
      }
    }
    const columns = [
      { title: 'interruption', cell: (row) => row.title },
      medianOf('longest ms', 'longestMs'),
      rangeOf('longestMs'),
      medianOf('the command, ms', 'commandMs'),
      medianOf('supervisor MiB', 'supervisorMib'),
    ];
    const title = `longest of the echoes of ${KEY_BYTES} bytes, one after the other`;
    return { series: { recover: rows }, tables: [{ title, rows, columns }] };
  },
};

async function measure(typist, port, act) {
  const keys = { port, bytes: KEY_BYTES, pauseMs: PAUSE_MS, patienceMs: PATIENCE_MS };
  await typist.call('start', keys);
  await delay(BEFORE_MS);
  const since = performance.now();
  await act();
  const commandMs = performance.now() - since;
  await delay(AFTER_MS);
  const { timesMs } = await typist.call('stop', {}, PATIENCE_MS);
  return { longestMs: Math.max(...timesMs), commandMs };
}
