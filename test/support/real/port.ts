/**
 * Ports for servers that must be told theirs before they start.
 *
 * They are taken from below the range out of which the kernel gives ports to outgoing connections: no client of a busy
 * test can take one between its choice and the server's start. Each Jest worker has a share of its own.
 */
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';

const FIRST = 16_000;
const WORKERS = 8;
const SHARE = 2000;

const worker = (Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) % WORKERS;
const base = FIRST + worker * SHARE;

/** Starts anywhere, so that two runs on one machine rarely meet. */
let next = Math.floor(Math.random() * SHARE);

/** A TCP port that nothing on 127.0.0.1 listens on. Not handed out again before 2,000 others. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < SHARE; tries += 1) {
    const port = base + next;
    next = (next + 1) % SHARE;
    if (await isFree(port)) return port;
  }
  throw new Error(`Cannot find a free port: ${base} to ${base + SHARE - 1} are all taken`);
}

/** The port that a listening server of this process has. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('Cannot name the port of a server: it does not listen on one');
  }
  return address.port;
}

async function isFree(port: number): Promise<boolean> {
  const server: Server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
