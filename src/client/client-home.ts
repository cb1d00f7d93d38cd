/**
 * The folder in which the client keeps what is private to its user: `~/.postern`, or what POSTERN_HOME names.
 *
 * Nothing is ever read from the working directory (case L3). The folder is the user's own and closed to everybody else, or it
 * is not used at all: whoever can write into it could hand us a credential of theirs.
 */
import { chmod, mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { messageOf, PosternError } from '../core/error.ts';

/** The folder's absolute path; it need not exist. Throws CLI_USAGE for a POSTERN_HOME that is not absolute. */
export function clientHome(env: NodeJS.ProcessEnv): string {
  const named = env['POSTERN_HOME'];
  if (named === undefined || named === '') return join(homedir(), '.postern');
  if (isAbsolute(named)) return named;
  throw new PosternError('CLI_USAGE', 'Cannot use POSTERN_HOME: it is not an absolute path');
}

/**
 * Makes `folder` where it is missing, and closes it to everybody but its owner. Throws CLI_CREDENTIALS when it cannot be
 * made or belongs to somebody else.
 */
export async function openPrivateFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = await stat(folder);
    // Windows has neither owners nor modes of this kind: there a user's folder is closed to others by inheritance.
    if (process.platform === 'win32') return;
    if (uid !== process.getuid?.()) throw new Error('it belongs to another user');
    if ((mode & 0o777) !== 0o700) await chmod(folder, 0o700);
  } catch (cause) {
    const message = `Cannot use the folder "${folder}" for credentials: ${messageOf(cause)}`;
    throw new PosternError('CLI_CREDENTIALS', message, { cause });
  }
}
