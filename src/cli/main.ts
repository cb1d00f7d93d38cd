/**
 * The command `postern`: the composition root. See design "Layout" and docs/operations.md "Commands".
 *
 * What a command throws becomes one line and an exit status here; everything that is printed goes through output.ts.
 */
import { codeOf, messageOf } from '../core/error.ts';
import { runCommandLine } from './command-line.ts';
import { commandTree } from './command-tree.ts';
import { exitCodeOf } from './exit-code.ts';
import { printError, printText, watchOutput } from './output.ts';
import { tellParent } from './tell-parent.ts';

/** How long a command that failed may take to let go of everything, ms. */
const LINGER_MS = 2_000;

/** Runs one command line, without the program's name, and returns the exit status of the process. Never rejects. */
export async function main(words: readonly string[]): Promise<number> {
  watchOutput();
  try {
    return await runCommandLine(words, commandTree, printText);
  } catch (error) {
    printError(messageOf(error), codeOf(error) ?? 'CLI_FAILED');
    await tellParent(error);
    const exitCode = exitCodeOf(error);
    // What a start that failed half-way still holds must not keep the process.
    setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
    return exitCode;
  }
}
