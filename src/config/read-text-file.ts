/**
 * Reads the small text files that make up a configuration, with a bound, and says in words why one cannot be read.
 *
 * Errors have no file name in them: the caller knows how the user wrote it.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { codeOf, messageOf, PosternError } from '../core/error.ts';

/** Largest configuration file, bytes. 500 rules with everything set are a tenth of it. test/unit/config/yaml-file.test.ts */
export const MAX_CONFIG_BYTES = 1024 * 1024;

const REASONS = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'does not exist: a part of its path is not a folder'],
  ['EACCES', 'may not be read by this user'],
  ['EPERM', 'may not be read by this user'],
  ['EISDIR', 'is a folder, not a file'],
  ['ELOOP', 'is a symbolic link that leads to itself'],
]);

/** The text of a file of at most MAX_CONFIG_BYTES. Throws CONFIG_UNREADABLE; its message completes "<file> …". */
export async function readTextFile(file: string): Promise<string> {
  const bytes = await readBounded(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PosternError('CONFIG_UNREADABLE', 'is not UTF-8 text', { cause });
  }
}

/** Opens a file of any size and kind of content, and closes it. Throws CONFIG_UNREADABLE like readTextFile. */
export async function checkReadable(file: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    await handle.read(Buffer.alloc(1), 0, 1);
  } catch (cause) {
    throw unreadable(cause);
  } finally {
    await handle?.close();
  }
}

async function readBounded(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    // Not the size that stat tells: a pipe has none, and a file may grow while it is read.
    const bytes = Buffer.alloc(MAX_CONFIG_BYTES + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) return bytes.subarray(0, length);
      length += bytesRead;
    }
  } catch (cause) {
    throw unreadable(cause);
  } finally {
    await handle?.close();
  }
  throw new PosternError('CONFIG_UNREADABLE', 'is larger than 1 MiB');
}

function unreadable(cause: unknown): PosternError {
  const reason = REASONS.get(codeOf(cause) ?? '') ?? `cannot be read: ${messageOf(cause)}`;
  return new PosternError('CONFIG_UNREADABLE', reason, { cause });
}
