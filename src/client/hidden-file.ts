/**
 * A file without a name, by which a program that we start is handed a secret: neither on its command line nor in its environment.
 *
 * Not a pipe: Node's are sockets, which cannot be opened again by way of `/dev/fd`. The name is gone before anything is written.
 */
import { randomBytes } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { openPrivateFolder } from './client-home.ts';

/** An open file with `text` in it, to be read from its start. The caller closes it. Rejects with CLI_CREDENTIALS or Node's error. */
export async function openHiddenFile(home: string, text: string): Promise<FileHandle> {
  await openPrivateFolder(home);
  const path = join(home, `${randomBytes(12).toString('hex')}.tmp`);
  const handle = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    // At a position: where its descriptor is shared, the reader starts where that stands.
    await handle.write(text, 0);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
