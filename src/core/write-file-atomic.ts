/**
 * Files that are there whole or not at all, whatever happens to the process or the machine while they are written.
 *
 * A temporary file beside the target, synced, then moved into place. Two writers never mix; the last one wins, or with
 * createFileAtomic() the first.
 */
import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from './error.ts';

/** Replaces `file`. `mode` is exact whatever the umask. Rejects with Node's error. */
export async function writeFileAtomic(file: string, data: string, mode: number): Promise<void> {
  await withTemporary(file, data, mode, (temporary) => rename(temporary, file));
}

/** Creates `file`; false, and nothing changed, when it was already there. Rejects with Node's error. */
export async function createFileAtomic(file: string, data: string, mode: number): Promise<boolean> {
  try {
    // Unlike rename, link fails when the target exists.
    await withTemporary(file, data, mode, (temporary) => link(temporary, file));
    return true;
  } catch (err) {
    if (hasCode(err, 'EEXIST')) return false;
    throw err;
  }
}

async function withTemporary(
  file: string,
  data: string,
  mode: number,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.chmod(mode);
    await handle.writeFile(data);
    await handle.sync();
    await place(temporary);
  } finally {
    await handle.close();
    await rm(temporary, { force: true }); // a rename has taken it away
  }
  await syncFolder(file);
}

/** Makes the new name durable too. Best effort: not every system can sync a folder, and the file itself is safe. */
async function syncFolder(file: string): Promise<void> {
  const handle = await open(dirname(file), 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
