/**
 * A lock between the processes of one user that ends with the process that holds it, however that dies (case L14).
 *
 * The operating system keeps it, so there is no stale lock to find and none to take over: on Linux an abstract Unix socket, on
 * Windows a named pipe, elsewhere (macOS, BSD) an open file with O_EXLOCK. Waiting costs nothing where it is a socket: the
 * waiter is connected to the holder and hears it go. Not fair: any of those who wait may be next.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, isPosternError, messageOf, PosternError } from '../../core/error.ts';
import { openPrivateFolder } from '../client-home.ts';

/** O_EXLOCK | O_NONBLOCK of macOS and the BSDs, which Node has no names for. */
const BSD_LOCK_FLAGS = 0x20 | 0x4;
/** Time between two tries where the lock is a file, ms. */
const FILE_RETRY_MS = 200;
/** Time between two tries to reach a holder that is just starting or ending, ms. */
const SOCKET_RETRY_MS = 20;
/** Waiters that one holder keeps connected; the others come again. */
const WAITERS = 512;

export interface LockOptions {
  /** The user's private folder: part of the lock's name. */
  readonly home: string;
  /** What is locked, any text. */
  readonly name: string;
  /** Called once when the lock is not free. */
  readonly onWait?: () => void;
  /** Called when the task of the process that was waited for failed; what it throws is what the wait rejects with. */
  readonly onHolderFailed?: () => void;
}

/** Runs `task` while no other process runs one under the same name. Rejects with CLI_CREDENTIALS, or as `task` does. */
export async function withProcessLock<T>(options: LockOptions, task: () => Promise<T>): Promise<T> {
  const release = await acquire(options);
  let isDone = false;
  try {
    const result = await task();
    isDone = true;
    return result;
  } finally {
    await release(isDone);
  }
}

/** What a holder tells those who wait when its task has failed. */
const FAILED = 'failed';

type Release = (isDone: boolean) => Promise<void>;

async function acquire(options: LockOptions): Promise<Release> {
  const id = createHash('sha256').update(`${options.home}\0${options.name}`).digest('hex');
  try {
    if (process.platform === 'linux') return await acquireSocket(`\0postern-lock-${id}`, options);
    if (process.platform === 'win32') {
      return await acquireSocket(`\\\\.\\pipe\\postern-lock-${id}`, options);
    }
    return await acquireFile(id, options);
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    const message = `Cannot lock "${options.name}": ${messageOf(cause)}`;
    throw new PosternError('CLI_CREDENTIALS', message, { cause });
  }
}

async function acquireSocket(path: string, options: LockOptions): Promise<Release> {
  for (let isFirst = true; ; isFirst = false) {
    const release = await listenOn(path);
    if (release !== undefined) return release;
    if (isFirst) options.onWait?.();
    if ((await lastWordOf(path)) === FAILED) options.onHolderFailed?.();
  }
}

/** Takes the name; undefined when somebody has it. */
async function listenOn(path: string): Promise<Release | undefined> {
  const waiters = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiters.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => waiters.delete(socket));
  });
  server.maxConnections = WAITERS;
  try {
    server.listen(path);
    await once(server, 'listening');
  } catch (error) {
    if (hasCode(error, 'EADDRINUSE')) return undefined;
    throw error;
  }
  // The lock must not keep alive a process that is done with everything else.
  server.unref();
  return async (isDone) => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of waiters) socket.end(isDone ? '' : FAILED, () => socket.destroy());
    await closed;
  };
}

/** Resolves with what the holder of the name said in the end; '' when it has gone or cannot be reached. */
async function lastWordOf(path: string): Promise<string> {
  const socket = connect(path);
  let [isOpen, word] = [false, ''];
  socket.on('connect', () => (isOpen = true));
  // The holder is ours, but another user's program may have taken the name.
  socket.on('data', (chunk) => (word = (word + chunk.toString()).slice(0, FAILED.length)));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.on('close', resolve));
  if (!isOpen) await delay(SOCKET_RETRY_MS);
  return word;
}

async function acquireFile(id: string, { home, onWait }: LockOptions): Promise<Release> {
  await openPrivateFolder(home);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | BSD_LOCK_FLAGS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const handle = await open(join(home, `${id.slice(0, 16)}.lock`), flags, 0o600);
      return async () => handle.close();
    } catch (error) {
      if (!hasCode(error, 'EAGAIN')) throw error;
    }
    if (isFirst) onWait?.();
    await delay(FILE_RETRY_MS);
  }
}
