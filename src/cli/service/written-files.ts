/** The files of an installation on disk: written where they differ, removed where they are ours. */
import { chmod, chown, mkdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../../core/error.ts';
import { writeFileAtomic } from '../../core/write-file-atomic.ts';
import type { PlannedFile } from './service-plan.ts';

/** A comment in the files that we wrote, by which `uninstall` knows them. */
export const WRITTEN_BY_US = 'Written by "postern service install", which overwrites changes.';

/** Writes what differs, for root; resolves with the paths that were written. Folders of secrets are for root alone. */
export async function writeChanged(files: readonly PlannedFile[]): Promise<string[]> {
  const written: string[] = [];
  for (const file of files) {
    // One after the other: what failed is then the last one.
    // oxlint-disable-next-line no-await-in-loop
    if (await isAsPlanned(file)) continue;
    // oxlint-disable-next-line no-await-in-loop
    await write(file);
    written.push(file.path);
  }
  return written;
}

/** Removes those of the files that have our comment, and `owned`; resolves with the paths that were there. */
export async function removeOurs(
  marked: readonly string[],
  owned: readonly string[],
): Promise<string[]> {
  const removed: string[] = [];
  for (const path of marked) {
    // oxlint-disable-next-line no-await-in-loop
    if (await isOurs(path)) removed.push(path);
  }
  for (const path of owned) {
    // oxlint-disable-next-line no-await-in-loop
    if ((await textOf(path)) !== undefined) removed.push(path);
  }
  for (const path of removed) {
    // oxlint-disable-next-line no-await-in-loop
    await rm(path, { force: true });
  }
  return removed;
}

/** Whether the file is there and was written by us. */
export async function isOurs(path: string): Promise<boolean> {
  return (await textOf(path))?.includes(WRITTEN_BY_US) === true;
}

/** Removes a folder that is empty. */
export async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: unknown) => {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].some((code) => hasCode(error, code))) throw error;
  });
}

async function isAsPlanned({ path, content, mode }: PlannedFile): Promise<boolean> {
  if ((await textOf(path)) !== content) return false;
  const found = await stat(path);
  return (found.mode & 0o777) === mode && found.uid === process.getuid?.();
}

async function write({ path, content, mode, isSecret = false }: PlannedFile): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  if (isSecret) {
    await chmod(folder, 0o700);
    await chown(folder, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  }
  await writeFileAtomic(path, content, mode);
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
