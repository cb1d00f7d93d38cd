/** Opens Unix sockets that only their own user can use: the file system is their access control. */
import { once } from 'node:events';
import type { Server } from 'node:net';

/**
 * Has a server listen on a path, mode 0600. The mode of a socket is what the umask leaves, and binding happens before listen() returns:
 * nobody else gets in between. Rejects with the system's error.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const listening = once(server, 'listening');
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await listening;
}
