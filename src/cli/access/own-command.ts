/** How another program starts this one: the same Node and the same file, whatever PATH says there. */
import { resolve } from 'node:path';

/** Program and arguments; a subcommand and its options go behind them. */
export function ownCommand(): string[] {
  return [process.execPath, resolve(process.argv[1] ?? '')];
}
