/** Puts the block into the user's `~/.ssh/config`, which is made where there is none. Doing it twice changes nothing. */
import { mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode, isPosternError, messageOf, PosternError } from '../../core/error.ts';
import { writeFileAtomic } from '../../core/write-file-atomic.ts';
import { withBlock } from './config-block.ts';

/** Writes it; false when it was there already. A link is followed, as people keep such files elsewhere. CLI_FAILED. */
export async function installBlock(file: string, block: string): Promise<boolean> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const target = await realpath(file).catch(ifMissing(file));
    const before = await readFile(target, 'utf8').catch(ifMissing(''));
    const after = withBlock(before, block);
    if (after === before) return false;
    // ssh refuses a file that others can write.
    const mode = await stat(target).then((found) => found.mode & 0o755, ifMissing(0o600));
    await writeFileAtomic(target, after, mode);
    return true;
  } catch (cause) {
    if (isPosternError(cause)) throw cause;
    const message = `Cannot change the configuration of ssh in "${file}": ${messageOf(cause)}`;
    throw new PosternError('CLI_FAILED', message, { cause });
  }
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (hasCode(error, 'ENOENT')) return value;
    throw error;
  };
}
