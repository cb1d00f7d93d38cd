/**
 * Reads a password: from the terminal without showing it, or the first line of stdin. Never an argument: every user of the machine can
 * read those.
 */
import { PosternError } from '../../core/error.ts';

/** Longest line that is read, bytes. */
const MAX_BYTES = 4_096;
const ENTER = /[\r\n]/;
const BACKSPACE = new Set(['\u007f', '\b']);

/** The password for `name`. On a terminal it is asked for twice. CLI_USAGE when there is none, or the two differ. */
export async function readPassword(name: string): Promise<string> {
  const { stdin } = process;
  if (!stdin.isTTY) return firstLine();
  // Before the question: what is typed at once must not be shown either.
  stdin.setRawMode(true);
  stdin.resume();
  try {
    const password = await ask(`Password for ${name}: `);
    if (password === (await ask('The same again: '))) return password;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
  }
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

/** Reads a line from the terminal, which shows nothing of it. */
async function ask(question: string): Promise<string> {
  const { stdin } = process;
  const typed = new Promise<string>((resolve, reject) => {
    let line = '';
    const read = (chunk: Buffer): void => {
      for (const char of chunk.toString()) {
        if (ENTER.test(char)) {
          stdin.off('data', read);
          return resolve(line);
        }
        // Ctrl-C and Ctrl-D: in raw mode they are only characters.
        if (char === '\u0003' || char === '\u0004') {
          stdin.off('data', read);
          return reject(new PosternError('CLI_USAGE', 'Cannot take the password: given up'));
        }
        if (BACKSPACE.has(char)) line = line.slice(0, -1);
        else if (line.length < MAX_BYTES) line += char;
      }
    };
    stdin.on('data', read);
  });
  process.stderr.write(question);
  try {
    return await typed;
  } finally {
    process.stderr.write('\n');
  }
}
