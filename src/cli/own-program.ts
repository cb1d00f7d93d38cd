/**
 * How this program is started once more: by a service manager, by another program, or by itself.
 *
 * The three differ in what must not change between now and then. PATH is asked by none of them.
 */
import { join, resolve } from 'node:path';
import { PosternError } from '../core/error.ts';
import { PACKAGE_ROOT } from '../core/package-root.ts';

/** For a service manager: Node and our script. An upgrade leaves them where they are. */
export const OWN_PROGRAM: readonly [string, string] = [
  process.execPath,
  join(PACKAGE_ROOT, 'bin', 'postern.js'),
];

/** For another program, from any folder: the same Node and the same file. A subcommand and its options go behind them. */
export function ownCommand(): string[] {
  return [process.execPath, resolve(process.argv[1] ?? '')];
}

/** For a child of this process: the program as it is on disk now, with these words and the options that Node has here. */
export function childCommand(words: readonly string[]): [string, ...string[]] {
  const [, script] = process.argv;
  if (script === undefined) {
    throw new PosternError('CLI_FAILED', 'Cannot start a process: the program has no file');
  }
  return [process.execPath, ...process.execArgv, script, ...words];
}
