/**
 * Reads a password: from the terminal without showing it, or the first line of stdin. Never an argument: every user of the machine can
 * read those.
 */
import { PosternError } from '../core/error.ts';

/** Longest line that is read, bytes. */
const MAX_BYTES = 4_096;
const ENTER = /[\r\n]/;
const BACKSPACE = new Set(['\u007f', '\b']);

/** The password for `name`. On a terminal it is asked for twice. CLI_USAGE when there is none, or the two differ. */
export async function readPassword(name: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLine();
  const password = await ask(`Password for ${name}: `);
  const again = await ask('The same again: ');
  if (password === again) return password;
  throw new PosternError('CLI_USAGE', 'Cannot take the password: the two are not the same');
}

async function firstLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (ENTER.test(text) || text.length > MAX_BYTES) break;
  }
  const [line = ''] = text.split(ENTER);
  if (line !== '') return line;
  throw new PosternError('CLI_USAGE', 'Cannot take the password: stdin is empty; pipe it in');
}

async function ask(question: string): Promise<string> {
  const { stdin } = process;
  process.stderr.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = '';
      const read = (chunk: Buffer): void => {
        for (const char of chunk.toString()) {
          if (ENTER.test(char)) {
            stdin.off('data', read);
            return resolve(typed);
          }
          // Ctrl-C and Ctrl-D: in raw mode they are only characters.
          if (char === '\u0003' || char === '\u0004') {
            stdin.off('data', read);
            return reject(new PosternError('CLI_USAGE', 'Cannot take the password: given up'));
          }
          if (BACKSPACE.has(char)) typed = typed.slice(0, -1);
          else if (typed.length < MAX_BYTES) typed += char;
        }
      };
      stdin.on('data', read);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    process.stderr.write('\n');
  }
}
