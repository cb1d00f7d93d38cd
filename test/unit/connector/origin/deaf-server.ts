/**
 * Servers that do not answer. A deaf one listens in a process that never accepts, with its queue full, so that the
 * kernel drops further connection attempts: what an unreachable host looks like, without leaving the machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '../../../support/eventually.ts';
import { nextChunk } from './next-chunk.ts';
import { cleanup } from '../../../support/cleanup.ts';

/** Listens, says so, and blocks for good or for `deafMs`; then it accepts and greets. */
const PROGRAM = `
const server = require('node:net').createServer((socket) => socket.on('error', () => {}).end('awake'));
const [where, deafMs] = [JSON.parse(process.argv[1]), Number(process.argv[2])];
server.listen({ ...where, backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, deafMs || undefined);
});
`;

export interface DeafOptions {
  readonly host?: string;
  readonly path?: string;
  /** Accepts after this long. Default: never. */
  readonly deafMs?: number;
}

/** Starts a deaf server and fills its queue. Returns its port, 0 for a Unix socket. */
export async function startDeafServer(options: DeafOptions = {}): Promise<number> {
  const { host = '127.0.0.1', path, deafMs = 0 } = options;
  const where = path === undefined ? { host, port: 0 } : { path };
  const args = ['-e', PROGRAM, JSON.stringify(where), String(deafMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanup(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const port = Number.parseInt(await nextChunk(child.stdout), 10) || 0;
  // listen(1) has room for two; one more may be half-way in.
  const fillers = [0, 1].map(() => connect(path === undefined ? { host, port } : { path }));
  for (const filler of fillers) {
    filler.on('error', () => undefined);
    cleanup(() => filler.destroy());
  }
  await Promise.all(fillers.map((filler) => once(filler, 'connect')));
  return port;
}

/** A server that accepts and then says nothing, on any free port of 127.0.0.1. */
export async function startSilentServer(): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
  });
  return { port: await listen(server), sockets };
}

/**
 * Listens on a free port, or on `where`. The clean-up closes the server and every connection. Returns the port, 0 for
 * a Unix socket.
 */
export async function listen(
  server: Server,
  where: { host?: string; port?: number; path?: string } = {},
): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(where.path === undefined ? { host: '127.0.0.1', port: 0, ...where } : where);
  await once(server, 'listening');
  cleanup(async () => {
    server.on('connection', (socket: Socket) => socket.destroy());
    server.close();
    for (const socket of open) socket.destroy();
    await once(server, 'close');
  });
  return portOf(server);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The first of a list that fills up, once it is there. */
export async function firstOf<T>(items: readonly T[]): Promise<T> {
  await eventually(() => items.length > 0);
  const [item] = items;
  if (item === undefined) throw new Error('The first item is undefined');
  return item;
}

/** A port of 127.0.0.1 where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}
