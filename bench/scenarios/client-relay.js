/**
 * Streams of clients: bulk copies and small requests through `postern access tcp`, beside a TCP port of the gateway and OpenSSH.
 *
 * The client is one process and one encrypted link more than a TCP port has, and the gateway relays frames where it
 * otherwise ends streams. The ratio to the port says what that costs; the ratio to OpenSSH is what users compare.
 */
import { startField } from '../harness/field.js';
import { startHttpOrigin } from '../harness/start-nginx.js';
import { measureTransfer, toTable } from './bulk.js';
import { measureRequests, requestTable } from './tcp-requests.js';

const PEERS = ['direct', 'ssh', 'postern', 'postern-client'];

export const clientRelay = {
  name: 'client-relay',
  title: 'A service through `postern access tcp`',
  carries: 'tcp',
  async run(context) {
    const origin = await context.lab.load('bulk-origin');
    const client = await context.lab.load('bulk-client');
    const ports = {
      ...(await origin.call('listen')),
      requests: await startHttpOrigin(context.lab),
    };
    const peers = context.peers.filter(({ name }) => PEERS.includes(name));
    const field = await startField({ ...context, peers }, { tcp: ports });
    const copies = {};
    for (const direction of ['download', 'upload'])
      copies[`${direction}-1`] = await field.interleave({
        title: `${direction}, 1 connection`,
        rounds: context.rounds,
        measure: (peer, phase) =>
          measureTransfer(
            client,
            peer,
            { direction, connections: 1, receiver: direction === 'upload' ? origin : client },
            phase === 'round' ? context.seconds : 0.5,
          ),
      });
    const requests = await measureRequests(context, field, (peer) => ({
      url: `http://127.0.0.1:${peer.ports.requests}/`,
    }));
    const tables = [
      ...Object.entries(copies).map(toTable),
      ...Object.entries(requests).map((entry) => requestTable(entry, 'ssh')),
    ];
    return { series: { ...copies, ...requests }, tables };
  },
};
