/**
 * The command `postern`: the composition root. See design "Layout" and docs/operations.md "Commands".
 *
 * Everything it prints goes through output.ts; what a command throws becomes one line and an exit status here.
 */
import { codeOf, messageOf } from '../core/error.ts';
import { runCommandLine } from './command-line.ts';
import { commandTree } from './command-tree.ts';
import { exitCodeOf } from './exit-code.ts';
import { printError, printText, tolerateClosedPipes } from './output.ts';

/** Runs one command line, without the program's name, and returns the exit status of the process. Never rejects. */
export async function main(words: readonly string[]): Promise<number> {
  tolerateClosedPipes();
  try {
    return await runCommandLine(words, commandTree, printText);
  } catch (error) {
    printError(messageOf(error), codeOf(error) ?? 'CLI_FAILED');
    return exitCodeOf(error);
  }
}
