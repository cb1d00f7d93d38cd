/**
 * Where the admin socket of a gateway is, and whether anybody answers there.
 *
 * The socket is the lock of the data directory, too: who answers on it is the gateway that runs.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { codeOf, PosternError } from '../core/error.ts';

/** Bytes that fit the address of a Unix socket, without the closing NUL: 108 on Linux, 104 elsewhere. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/** The admin socket of the gateway with this data directory. CONFIG_INVALID when the system has no room for the path. */
export function adminSocketPath(dataDir: string): string {
  const path = join(dataDir, 'admin.sock');
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return path;
  const limit = `it has ${bytes} bytes and Unix sockets allow ${MAX_PATH_BYTES}`;
  throw new PosternError(
    'CONFIG_INVALID',
    `Cannot use admin socket "${path}": ${limit}; choose a shorter data-dir`,
  );
}

/** How things stand at a socket: somebody answers, nobody does, or we are not allowed to know. */
export type SocketState = 'answers' | 'nobody' | 'forbidden';

/** Connects and hangs up. Rejects with the system's error where none of the states fits. */
export async function probeSocket(path: string): Promise<SocketState> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return 'answers';
  } catch (error) {
    const state = STATES.get(codeOf(error) ?? '');
    if (state === undefined) throw error;
    return state;
  } finally {
    socket.destroy();
  }
}

const STATES = new Map<string, SocketState>([
  ['ENOENT', 'nobody'],
  ['ENOTDIR', 'nobody'],
  ['ECONNREFUSED', 'nobody'],
  // A listener whose queue is full is alive.
  ['EAGAIN', 'answers'],
  ['EACCES', 'forbidden'],
  ['EPERM', 'forbidden'],
]);
