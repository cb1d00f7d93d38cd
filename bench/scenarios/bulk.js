/**
 * Bulk copy through a TCP port: download and upload, over 1 connection and over 8.
 *
 * Bytes are counted where they arrive, between two moments of a transfer that is already running, so that neither setting up nor
 * what sits in buffers counts. The peer's CPU time is read at the same two moments.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../harness/deadline.js';
import { startField } from '../harness/field.js';
import { cpuSeconds } from '../harness/process-stats.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';

const RAMP_MS = 400;
const FIRST_BYTE_MS = 5_000;
const CONNECTIONS = [1, 8];

export const bulk = {
  name: 'bulk',
  title: 'Bulk copy through a TCP port',
  carries: 'tcp',
  async run(context) {
    const origin = await context.lab.load('bulk-origin');
    const client = await context.lab.load('bulk-client');
    const field = await startField(context, { tcp: await origin.call('listen') });
    const series = {};
    for (const direction of ['download', 'upload'])
      for (const connections of CONNECTIONS) {
        const transfer = {
          direction,
          connections,
          receiver: direction === 'upload' ? origin : client,
        };
        series[`${direction}-${connections}`] = await field.interleave({
          title: `${direction}, ${connections} connection(s)`,
          rounds: context.rounds,
          measure: (peer, phase) =>
            measureTransfer(client, peer, transfer, phase === 'round' ? context.seconds : 0.5),
        });
      }
    return { series, tables: Object.entries(series).map(toTable) };
  },
};

/** Starts a transfer and resolves once its first byte has arrived. */
async function startTransfer(client, peer, { direction, connections, receiver }) {
  const { bytes: before } = await receiver.call('received');
  await client.call('start', { direction, port: peer.ports[direction], connections });
  const arrives = async () => (await receiver.call('received')).bytes > before;
  await until(arrives, FIRST_BYTE_MS, () => `no byte of the ${direction} arrived`);
}

/** Gbit/s through one peer, and its CPU seconds per GiB in total and by role. */
export async function measureTransfer(client, peer, transfer, seconds) {
  const { direction, receiver, rampMs = RAMP_MS } = transfer;
  const pids = Object.values(peer.roles);
  await startTransfer(client, peer, transfer);
  await delay(rampMs);
  const [before, cpuBefore] = [await receiver.call('received'), pids.map((p) => cpuSeconds([p]))];
  await delay(seconds * 1000);
  const [after, cpuAfter] = [await receiver.call('received'), pids.map((p) => cpuSeconds([p]))];
  await client.call('stop');

  const bytes = after.bytes - before.bytes;
  if (bytes === 0) throw new Error(`no byte of the ${direction} arrived in ${seconds} s`);
  const perGib = pids.map((_, at) => (cpuAfter[at] - cpuBefore[at]) / (bytes / 2 ** 30));
  const roles = Object.fromEntries(Object.keys(peer.roles).map((role, at) => [role, perGib[at]]));
  return {
    gbitPerSecond: (bytes * 8) / 1e6 / (after.atMs - before.atMs),
    cpuPerGib: pids.length === 0 ? NaN : perGib.reduce((sum, value) => sum + value),
    cpuPerGibByRole: roles,
  };
}

/** The table of one series of transfers. */
export function toTable([name, rows]) {
  const [direction, connections] = name.split('-');
  return {
    title: `${direction}, ${connections} connection(s)`,
    rows,
    columns: [
      PEER,
      medianOf('Gbit/s', 'gbitPerSecond'),
      rangeOf('gbitPerSecond'),
      ratioTo('ssh', 'gbitPerSecond', rows),
      medianOf('CPU s/GiB', 'cpuPerGib'),
      ratioTo('ssh', 'cpuPerGib', rows),
    ],
  };
}
