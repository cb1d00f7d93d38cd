/**
 * One stream over a link with a round trip of 150 ms: the windows of the tunnel are what limits it, not the processor.
 *
 * A proxy that holds every byte for 75 ms each way (bench/load/delay-proxy.js) stands on the link of each tunnel; `direct` goes
 * through the same proxy and shows what it can carry.
 */
import { startField } from '../harness/field.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';
import { measureTransfer } from './bulk.js';

const ONE_WAY_MS = 75;

/** Unmeasured at the start: windows grow once per round trip. */
const RAMP_MS = 3_000;

/** At most so many rounds: each is long, and the processor's noise matters little here. */
const ROUNDS = 2;

export const longPath = {
  name: 'long-path',
  title: `One stream over a link with ${2 * ONE_WAY_MS} ms round trip`,
  carries: 'tcp',
  tunnelsOnly: true,
  async run(context) {
    const origin = await context.lab.load('bulk-origin');
    const client = await context.lab.load('bulk-client');
    const path = await context.lab.load('delay-proxy');
    const via = async (target) =>
      (await path.call('forward', { target, delayMs: ONE_WAY_MS })).port;
    const field = await startField(context, { tcp: await origin.call('listen'), via });
    const series = {};
    for (const direction of ['download', 'upload']) {
      const transfer = { direction, connections: 1, rampMs: RAMP_MS };
      transfer.receiver = direction === 'upload' ? origin : client;
      series[direction] = await field.interleave({
        title: direction,
        rounds: Math.min(context.rounds, ROUNDS),
        hasWarmUp: false,
        measure: async (peer) => {
          const result = await measureTransfer(client, peer, transfer, context.seconds);
          return { mbitPerSecond: result.gbitPerSecond * 1000 };
        },
      });
    }
    return { series, tables: Object.entries(series).map(toTable) };
  },
};

function toTable([direction, rows]) {
  const columns = [
    PEER,
    medianOf('Mbit/s', 'mbitPerSecond'),
    rangeOf('mbitPerSecond'),
    ratioTo('ssh', 'mbitPerSecond', rows),
  ];
  return { title: direction, rows, columns };
}
