/** Resident memory per idle TCP connection, of every process that it passes through. Part of the memory scenario. */
import { setTimeout as delay } from 'node:timers/promises';
import { startField } from '../harness/field.js';
import { openFileLimit, residentBytes } from '../harness/process-stats.js';
import { PEER, formatNumber, medianOf } from '../harness/table.js';

/** Connections held through Postern, whose gateway and connector each have one file for each. */
const STREAMS = 10_000;

/** Connections held through the others: enough for an average, with two files each and within OpenSSH's number of channels. */
const PEER_STREAMS = 2_000;
const WARM_UP = 200;
const SETTLE_MS = 2_000;

/** Files a process needs besides those of its connections. */
const SPARE_FILES = 500;

/** The table of idle streams. */
export async function measureIdleStreams(context) {
  const origin = await context.lab.load('echo-origin');
  const client = await context.lab.load('idle-client');
  const peers = context.peers.filter((peer) => peer.name !== 'direct');
  const once = { ...context, peers, repeats: { leftMs: 0 } };
  const field = await startField(once, { tcp: await origin.call('listen') });
  const rows = await field.interleave({
    title: 'idle streams',
    rounds: 1,
    hasWarmUp: false,
    measure: (peer) => {
      const wanted = peer.roles.gateway === undefined ? PEER_STREAMS : STREAMS;
      return holdStreams(client, peer, Math.min(wanted, openFileLimit() - SPARE_FILES));
    },
  });
  const columns = [
    PEER,
    medianOf('streams', 'count'),
    medianOf('KiB each', 'totalKib'),
    { title: 'of which', cell: byRole },
  ];
  return { title: 'KiB of resident memory per idle stream', rows, columns };
}

async function holdStreams(client, peer, count) {
  const port = peer.ports.echo;
  await client.call('open', { port, count: WARM_UP });
  await client.call('close');
  await delay(SETTLE_MS);
  const before = residentByRole(peer.roles);
  await client.call('open', { port, count }, 120_000);
  await delay(SETTLE_MS);
  const after = residentByRole(peer.roles);
  const { count: held } = await client.call('held');
  await client.call('close', {}, 60_000);
  if (held < count) throw new Error(`only ${held} of ${count} idle streams stayed open`);

  const kibByRole = {};
  for (const role of Object.keys(peer.roles))
    kibByRole[role] = (after[role] - before[role]) / count / 1024;
  const totalKib = Object.values(kibByRole).reduce((sum, kib) => sum + kib);
  return { count, totalKib, kibByRole };
}

function residentByRole(roles) {
  return Object.fromEntries(Object.entries(roles).map(([role, pid]) => [role, residentBytes(pid)]));
}

function byRole({ samples: [{ kibByRole }] }) {
  return Object.entries(kibByRole)
    .map(([role, kib]) => `${role} ${formatNumber(kib)}`)
    .join(', ');
}
