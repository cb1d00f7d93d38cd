/** Waiting for a server to serve: by using it, with a deadline, and with its own words when it does not. */
import { once } from 'node:events';
import { connect } from 'node:net';

import { eventually } from '../eventually.ts';
import type { TestProcess } from '../processes.ts';

/**
 * Resolves once `probe` neither throws nor returns false. Rejects with what the server printed at the deadline (default
 * 60_000 ms), or at once when it ended.
 */
export async function whenReady(
  server: TestProcess,
  probe: () => unknown,
  deadlineMs = 60_000,
): Promise<void> {
  const ready = eventually(
    async () => {
      if (server.exit !== undefined) return true;
      return (await probe()) !== false;
    },
    { deadlineMs, what: `${server.name} to be ready` },
  );
  const tail = (): string => server.output.text().slice(-4000);
  await ready.catch((error: unknown) => {
    throw new Error(`${String(error)}; it said:\n${tail()}`, { cause: error });
  });
  if (server.exit === undefined) return;
  const { code, signal } = await server.exited;
  throw new Error(
    `Cannot start ${server.name}: it ended with ${String(signal ?? code)}:\n${tail()}`,
  );
}

/** The port that one of our servers says once it listens. Rejects as whenReady(). */
export async function listeningPort(server: TestProcess): Promise<number> {
  let port = 0;
  await whenReady(server, () => {
    const line = /^listening (\d+)$/m.exec(server.stdout);
    port = Number(line?.[1]);
    return line !== null;
  });
  return port;
}

/** Connects and hangs up. Rejects when nothing listens on 127.0.0.1. */
export async function tryConnect(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
