/**
 * The file that `TrustedUserCAKeys` of sshd names. Who can change it can log in as anybody, and sshd does not look who can:
 * so it is root's, readable by all, and stands where nobody else can put another in its place (attack case K17).
 */
import { chown, lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';
import { writeFileAtomic } from '../../core/write-file-atomic.ts';

const MODE = 0o644;
/** Folders with this bit let others add files and not replace any. */
const STICKY = 0o1000;

/** Replaces `file` by these lines. `owner` is 0, root, but for tests. CLI_FAILED when it would not be safe there. */
export async function writeTrustedKeys(
  file: string,
  lines: readonly string[],
  owner = 0,
): Promise<void> {
  try {
    if (process.getuid?.() !== owner) throw new Error('only root can write a file that is root’s');
    const folder = await realpath(dirname(resolve(file)));
    await checkFolders(folder, owner);
    const target = join(folder, basename(file));
    await checkTarget(target);
    await writeFileAtomic(target, lines.map((line) => `${line}\n`).join(''), MODE);
    await chown(target, owner, process.getgid?.() ?? owner);
    const { uid, mode } = await lstat(target);
    if (uid !== owner || (mode & 0o777) !== MODE) throw new Error('its owner or mode is another');
  } catch (cause) {
    const message = `Cannot write "${file}" for sshd: ${messageOf(cause)}`;
    throw new PosternError('CLI_FAILED', message, { cause });
  }
}

async function checkFolders(folder: string, owner: number): Promise<void> {
  const { uid, mode } = await stat(folder);
  const isOthers = uid !== 0 && uid !== owner;
  const isWritable = (mode & 0o022) !== 0 && (mode & STICKY) === 0;
  if (isOthers || isWritable) throw new Error(`others can write to the folder "${folder}"`);
  if (folder !== dirname(folder)) await checkFolders(dirname(folder), owner);
}

/** A link, or a device, was not put there for this. */
async function checkTarget(target: string): Promise<void> {
  const found = await lstat(target).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found !== undefined && !found.isFile()) throw new Error('it is there and not a plain file');
}
