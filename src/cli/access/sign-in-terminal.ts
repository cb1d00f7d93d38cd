/**
 * The terminal of a command that signs its user in. What is needed is said on stderr, also in a pipe, where nobody would know
 * how to go on without it; progress is for terminals alone.
 */
import { openBrowser } from '../../client/sign-in/open-browser.ts';
import type { SignInTerminal } from '../../client/sign-in/sign-in-terminal.ts';
import { printable } from '../output.ts';

/** For this process. */
export function signInTerminal(env: NodeJS.ProcessEnv): SignInTerminal {
  return {
    say,
    progress: (line) => {
      if (process.stderr.isTTY) say(line);
    },
    openBrowser: async (url) => openBrowser(url, env),
  };
}

function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}
