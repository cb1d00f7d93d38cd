/**
 * The folder where the connectors of one user keep their control sockets, and what must be remembered of them until they are gone.
 * docs/decisions/0022.
 *
 * Whoever can open a socket in it may reload a connector, so it is for its user alone: mode 0700, not a link, and in a place where
 * nobody else can put another one in its stead. Where there is no such place, connectors run without.
 */
import { lstat, mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { hasCode, messageOf, PosternError } from '../../../core/error.ts';

const WRITABLE_BY_OTHERS = 0o022;
const ACCESSIBLE_TO_OTHERS = 0o077;
/** In such a folder only the owner of something can rename or remove it. */
const STICKY = 0o1000;

/**
 * Makes the folder where it is not there yet, and returns its path: in `$RUNTIME_DIRECTORY`, which systemd sets, else
 * `$XDG_RUNTIME_DIR/postern`, else `postern-<uid>` in the folder for temporary files. The first that is safe counts. Throws CLI_FAILED
 * when none is.
 */
export async function openRuntimeFolder(
  env: NodeJS.ProcessEnv = process.env,
  temporary: string = tmpdir(),
): Promise<string> {
  const uid = process.getuid?.();
  if (uid === undefined) throw unusable('this system has no user ids');
  const problems: string[] = [];
  for (const folder of candidates(env, join(temporary, `postern-${uid}`))) {
    const problem = await prepare(folder, uid).catch(messageOf);
    if (problem === undefined) return folder;
    problems.push(`${folder} ${problem}`);
  }
  throw unusable(problems.join('; '));
}

function candidates(env: NodeJS.ProcessEnv, last: string): string[] {
  const { RUNTIME_DIRECTORY = '', XDG_RUNTIME_DIR = '' } = env;
  const [ofService = ''] = RUNTIME_DIRECTORY.split(':');
  return [
    ...(isAbsolute(ofService) ? [join(ofService, 'connectors')] : []),
    ...(isAbsolute(XDG_RUNTIME_DIR) ? [join(XDG_RUNTIME_DIR, 'postern')] : []),
    last,
  ];
}

/** What is wrong with the folder; undefined when it is there and nobody else's. */
async function prepare(folder: string, uid: number): Promise<string | undefined> {
  const parent = await stat(dirname(folder));
  if (parent.uid !== 0 && parent.uid !== uid) return 'is in a folder of another user';
  const isShared = (parent.mode & WRITABLE_BY_OTHERS) !== 0;
  if (isShared && (parent.mode & STICKY) === 0) return 'is in a folder that others may change';
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
  // Somebody may have been there first: what counts is what is there, and a link is not followed.
  const found = await lstat(folder);
  if (!found.isDirectory()) return 'is not a folder';
  if (found.uid !== uid) return 'is the folder of another user';
  if ((found.mode & ACCESSIBLE_TO_OTHERS) !== 0)
    return 'is accessible to others; give it mode 0700';
  return undefined;
}

function unusable(why: string): PosternError {
  return new PosternError('CLI_FAILED', `Cannot use a folder for sockets of connectors: ${why}`);
}
