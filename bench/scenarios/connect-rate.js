/**
 * New TCP connections per second: connect, one byte there and back, close, on 32 lanes at once.
 */
import { startField } from '../harness/field.js';
import { PEER, medianOf, rangeOf, ratioTo } from '../harness/table.js';

const LANES = 32;

/** Most connections of one measurement: each leaves a port in TIME_WAIT, and there are 28,000 of those by default. */
const LIMIT = 8_000;

export const connectRate = {
  name: 'connect-rate',
  title: 'New connections through a TCP port',
  carries: 'tcp',
  async run(context) {
    const origin = await context.lab.load('echo-origin');
    const client = await context.lab.load('connect-client');
    const field = await startField(context, { tcp: await origin.call('listen') });
    const rows = await field.interleave({
      title: 'connect, echo a byte, close',
      rounds: context.rounds,
      measure: async (peer, phase) => {
        const seconds = phase === 'round' ? context.seconds : 1;
        const load = { port: peer.ports.echo, lanes: LANES, seconds, limit: LIMIT };
        const result = await client.call('run', load);
        return { connectionsPerSecond: result.connections / result.seconds };
      },
    });
    const columns = [
      PEER,
      medianOf('connections/s', 'connectionsPerSecond'),
      rangeOf('connectionsPerSecond'),
      ratioTo('ssh', 'connectionsPerSecond', rows),
    ];
    return { series: { rate: rows }, tables: [{ title: `${LANES} at once`, rows, columns }] };
  },
};
