/**
 * Resident memory of the gateway, and of the connector, per idle WebSocket that a user has open over TLS. Part of the memory scenario.
 * Postern alone: a peer that forwards bytes holds a buffer or two, and none ends TLS and then asks for leave.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openFileLimit, residentBytes } from '../harness/process-stats.js';
import { PEER, medianOf } from '../harness/table.js';
import { postern } from '../peers/postern.js';

const SOCKETS = 10_000;
const WARM_UP = 200;

/** Longer than a link is idle before it is pinged, and than buffers of the handshakes are kept. */
const SETTLE_MS = 8_000;

/** Files a process needs besides those of its connections. */
const SPARE_FILES = 500;

/** The table of idle WebSockets. */
export async function measureIdleWebsockets({ lab, peers, say }) {
  const title = 'KiB of resident memory per idle WebSocket';
  const columns = [
    PEER,
    medianOf('WebSockets', 'count'),
    medianOf('KiB in the gateway', 'gatewayKib'),
    medianOf('KiB in the connector', 'connectorKib'),
  ];
  if (!peers.includes(postern)) return { title, columns, rows: [] };
  say('idle WebSockets');
  const row = { name: postern.name, title: postern.title };
  try {
    const reason = await postern.unavailable();
    if (reason !== undefined) throw new Error(reason);
    return { title, columns, rows: [{ ...row, samples: [await holdSockets(lab)] }] };
  } catch (error) {
    return { title, columns, rows: [{ ...row, reason: error.message }] };
  }
}

async function holdSockets(lab) {
  const origin = await lab.load('websocket-origin');
  const client = await lab.load('websocket-client');
  const { port } = await origin.call('listen');
  const { http, roles, ca } = await postern.start(lab, { http: port, folder: 'websockets-' });
  const count = Math.min(SOCKETS, openFileLimit() - SPARE_FILES);
  const load = { url: http.url.replace(/^https/, 'wss'), caFile: ca };
  await client.call('open', { ...load, count: WARM_UP }, 60_000);
  await client.call('close', {}, 60_000);
  await delay(SETTLE_MS);
  const before = resident(roles);
  await client.call('open', { ...load, count }, 240_000);
  await delay(SETTLE_MS);
  const after = resident(roles);
  const { count: held } = await client.call('held');
  await client.call('close', {}, 60_000);
  if (held < count) throw new Error(`only ${held} of ${count} idle WebSockets stayed open`);
  const kib = (role) => (after[role] - before[role]) / count / 1024;
  return { count, gatewayKib: kib('gateway'), connectorKib: kib('connector') };
}

function resident(roles) {
  return Object.fromEntries(Object.entries(roles).map(([role, pid]) => [role, residentBytes(pid)]));
}
