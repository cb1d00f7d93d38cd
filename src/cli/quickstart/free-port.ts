/** Finds a port of this machine that nobody uses, beginning with the one that people expect. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { hasCode, PosternError } from '../../core/error.ts';

/** How many ports are tried. */
const TRIES = 100;

/** The first free port from `wanted` upwards. Throws CONFIG_PORT_IN_USE when there is none near. */
export async function freePort(wanted: number, taken: readonly number[] = []): Promise<number> {
  for (let port = wanted; port < wanted + TRIES; port += 1) {
    // One after the other: the lowest one is wanted.
    // oxlint-disable-next-line no-await-in-loop
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  const message = `Cannot find a free port: ${wanted} to ${wanted + TRIES - 1} are all taken`;
  throw new PosternError('CONFIG_PORT_IN_USE', message);
}

/** On both loopback addresses: what is reached by name may be tried on either. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen('127.0.0.1', port)) && (await canListen('::1', port));
}

async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    // A machine without IPv6 cannot have anything there.
    return hasCode(error, 'EADDRNOTAVAIL') || hasCode(error, 'EAFNOSUPPORT');
  }
  server.close();
  await once(server, 'close');
  return true;
}
