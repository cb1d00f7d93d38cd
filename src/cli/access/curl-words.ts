/**
 * The words of `postern access curl`, told apart: options of ours, the address, and what is for curl.
 *
 * curl has no options that are called like ours, so ours may stand anywhere before `--`; behind it everything is curl's.
 */
import { PosternError } from '../../core/error.ts';

export interface CurlWords {
  /** As it was written. */
  readonly url: string;
  /** Options of ours, by name without dashes. */
  readonly own: ReadonlyMap<string, string>;
  /** For curl. */
  readonly args: readonly string[];
}

const OWN = new Set(['gateway', 'ca', 'purpose']);

/** Reads `URL [curl options…]`. Throws CLI_USAGE when there is no address, or an option of ours has no value. */
export function parseCurlWords(words: readonly string[]): CurlWords {
  const end = words.indexOf('--');
  const front = end === -1 ? [...words] : words.slice(0, end);
  const own = new Map<string, string>();
  const args: string[] = [];
  let url: string | undefined;
  for (let word = front.shift(); word !== undefined; word = front.shift()) {
    const [, name = '', written] = /^--([a-z]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (OWN.has(name)) {
      const value = written ?? front.shift() ?? '';
      if (value === '') throw usage(`option "--${name}" needs a value`);
      own.set(name, value);
    } else if (url === undefined) {
      if (word.startsWith('-')) throw usage('the address comes first, then the options of curl');
      url = word;
    } else args.push(word);
  }
  if (url === undefined) throw usage('no address is given');
  return { url, own, args: [...args, ...(end === -1 ? [] : words.slice(end + 1))] };
}

function usage(problem: string): PosternError {
  const message = `Cannot run "postern access curl": ${problem}; see "postern access curl --help"`;
  return new PosternError('CLI_USAGE', message);
}
