/**
 * The words of `postern access ssh`, told apart before anything runs: where to, ssh's own options, the command there.
 *
 * The destination comes first and must be a plain name. So whoever can choose a hostname, in a link or a repository's
 * settings, cannot choose an option: ssh's options run programs (attack case L10). Options follow it, as ssh has them.
 */
import { PosternError } from '../../core/error.ts';
import { parseRouteHostname } from '../../core/route-hostname.ts';

interface SshDestination {
  /** Normal form. */
  readonly hostname: string;
  readonly user?: string;
}

export interface SshWords {
  readonly destination: SshDestination;
  /** Options of ours, by name without dashes. */
  readonly own: ReadonlyMap<string, string>;
  /** ssh's own options with their values. */
  readonly options: readonly string[];
  /** The command and its arguments; empty for a shell. */
  readonly command: readonly string[];
}

/** Options of OpenSSH that take a value, up to version 10. */
const WITH_VALUE = 'BDEFIJLOPQRSWbceilmopw';
const ALONE = '1246AaCfGgKkMNnqsTtVvXxYy';

/** As user names of Unix are, and nothing that ssh or a shell would read as more. */
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/**
 * Reads `[user@]host [ssh options…] [--] [command…]`. `ownNames` are options of ours, which take a value each and stand
 * anywhere before the command; ssh has none with two dashes. Throws CLI_USAGE.
 */
export function parseSshWords(
  words: readonly string[],
  ownNames: ReadonlySet<string> = new Set(),
): SshWords {
  const rest = [...words];
  const own = new Map<string, string>();
  while (takeOwn(rest, ownNames, own));
  const first = rest.shift();
  if (first === undefined) throw usage('no host is given');
  const destination = parseSshDestination(first);
  const options: string[] = [];
  while (rest.length > 0) {
    if (takeOwn(rest, ownNames, own)) continue;
    const word = rest.shift() ?? '';
    if (word === '--') return { destination, own, options, command: rest };
    // What does not look like an option begins the command, as with ssh.
    if (!/^-./.test(word)) return { destination, own, options, command: [word, ...rest] };
    options.push(word);
    if (needsValue(word)) {
      const value = rest.shift();
      if (value === undefined) throw usage(`option "${word}" needs a value`);
      options.push(value);
    }
  }
  return { destination, own, options, command: [] };
}

/** Takes `--name value` or `--name=value` from the front, if that is one of ours. */
function takeOwn(rest: string[], names: ReadonlySet<string>, own: Map<string, string>): boolean {
  const [, name = '', written] = /^--([a-z-]+)(?:=(.*))?$/s.exec(rest[0] ?? '') ?? [];
  if (!names.has(name)) return false;
  rest.shift();
  const value = written ?? rest.shift();
  if (value === undefined || value === '') throw usage(`option "--${name}" needs a value`);
  own.set(name, value);
  return true;
}

/** Reads `host` or `user@host`. Throws CLI_USAGE for everything that is not plain names. */
function parseSshDestination(word: string): SshDestination {
  if (word.startsWith('-')) {
    throw usage(`"${word}" is not a host; the host comes first, then ssh's options`);
  }
  const at = word.lastIndexOf('@');
  const user = at < 0 ? undefined : word.slice(0, at);
  if (user !== undefined && !USER.test(user)) throw usage(`"${user}" is not a user name`);
  const hostname = parseSshHostname(word.slice(at + 1));
  return { hostname, ...(user !== undefined && { user }) };
}

/** Reads the hostname of an application, into its normal form. Throws CLI_USAGE. */
export function parseSshHostname(text: string): string {
  const hostname = parseRouteHostname(text);
  if (hostname === undefined || hostname.startsWith('*') || hostname.startsWith('-')) {
    throw usage(`"${text}" is not a hostname such as ssh.example.com`);
  }
  return hostname;
}

/** Whether the value of the last option in a word such as `-tL` is the next word. */
function needsValue(word: string): boolean {
  for (let at = 1; at < word.length; at += 1) {
    const letter = word.charAt(at);
    if (WITH_VALUE.includes(letter)) return at === word.length - 1;
    if (!ALONE.includes(letter)) throw usage(`ssh has no option "${word}"`);
  }
  return false;
}

function usage(why: string): PosternError {
  return new PosternError('CLI_USAGE', `Cannot run ssh: ${why}`);
}
