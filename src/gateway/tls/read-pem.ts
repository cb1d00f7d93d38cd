/** Reads PEM files of bounded size. */
import { open } from 'node:fs/promises';
import { PosternError, hasCode, messageOf } from '../../core/error.ts';

/** Bytes. A long chain is 20 KiB. */
const MAX_PEM_BYTES = 1024 * 1024;

/** The text of `file`, called `what` in errors. Throws CONFIG_UNREADABLE. */
export async function readPem(file: string, what: string): Promise<string> {
  try {
    return await readBounded(file);
  } catch (cause) {
    throw unreadable(file, what, cause);
  }
}

/** The same, but undefined where there is no such file. */
export async function readPemIfThere(file: string, what: string): Promise<string | undefined> {
  try {
    return await readBounded(file);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw unreadable(file, what, cause);
  }
}

async function readBounded(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new TypeError('it is not a file'); // a pipe or device may never end
    if (stat.size > MAX_PEM_BYTES) throw new RangeError('it is larger than 1 MiB');
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

function unreadable(file: string, what: string, cause: unknown): PosternError {
  const message = `Cannot read the ${what} "${file}": ${messageOf(cause)}`;
  return new PosternError('CONFIG_UNREADABLE', message, { cause });
}
