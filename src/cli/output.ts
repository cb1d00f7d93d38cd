/**
 * What commands print: results to stdout, one line per error to stderr.
 *
 * A reader that goes away (`| head -1`) is no error. Text from elsewhere is cleaned of control characters before it reaches
 * a terminal; JSON writes them out by itself.
 */
import { hasCode, messageOf } from '../core/error.ts';
import { cleanText } from '../telemetry/log-text.ts';
import { EXIT } from './exit-code.ts';

/** The forms of a result. */
export const OUTPUT_OPTION = {
  output: {
    alias: 'o',
    choices: ['text', 'json'],
    default: 'text',
    describe: 'Form of the result',
  },
} as const;

/** As OUTPUT_OPTION is parsed. */
export type OutputForm = 'text' | 'json';

/**
 * Says what becomes of output that cannot be written. Call once, first. A reader that has read enough is no error; a disk
 * that is full is one, because a result such as a token would be lost without a word.
 */
export function watchOutput(): void {
  process.stdout.on('error', (error) => {
    if (hasCode(error, 'EPIPE')) return;
    printError(`Cannot write the result: ${messageOf(error)}`, 'CLI_FAILED');
    process.exit(EXIT.failed);
  });
  // There is nobody left to tell.
  process.stderr.on('error', () => undefined);
}

/** Prints text of our own. */
export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Resolves when what was printed is on its way: at once, unless somebody reads it slowly. False when nobody reads any more. */
export async function whenPrinted(): Promise<boolean> {
  if (process.stdout.destroyed || !process.stdout.writableNeedDrain) return isRead();
  await new Promise<void>((resolve) => {
    const done = (): void => {
      process.stdout.off('drain', done).off('close', done);
      resolve();
    };
    process.stdout.once('drain', done).once('close', done);
  });
  return isRead();
}

function isRead(): boolean {
  return !process.stdout.destroyed && process.stdout.errored === null;
}

/** Prints lines for people. */
export function printLines(...lines: readonly string[]): void {
  printText(lines.map(printable).join('\n'));
}

/** Prints a result: as JSON for programs, or as `lines` makes it for people. */
export function printResult<T>(form: OutputForm, result: T, lines: (result: T) => string[]): void {
  if (form === 'json') printText(JSON.stringify(result, undefined, 2));
  else printLines(...lines(result));
}

/** Prints an error as one line. A token that was written in the wrong place is not repeated: stderr may be a log. */
export function printError(message: string, code: string): void {
  const line = printable(cleanText(message)).replaceAll(/\s*\n\s*/g, ' ');
  writeLine(`postern: ${line} (${code})`);
}

/** Says something to whoever sits at the terminal that is neither a result nor an error. */
export function printNote(sentence: string): void {
  writeLine(`postern: ${printable(cleanText(sentence))}`);
}

/** ssh, which may have started us, leaves its terminal in a state where a new line does not begin on the left. */
function writeLine(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `${text}\r\n` : `${text}\n`);
}

/** Rows under headings, each column as wide as its widest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? '').length)),
  );
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** Text from elsewhere without what moves a cursor or turns the direction of text around. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
