/**
 * Words as they must be written where ssh reads them: in a command that it gives to a shell, and in its configuration.
 *
 * ssh reads a command before the shell does, and not every version alike: it looks whether quotes are in pairs, what is
 * between double quotes (`Match … exec "…"`, with backslashes since 9.9 and without before), and it replaces `%` tokens.
 * Control characters have no form that gets through and are refused (attack cases L10, L11).
 */
import { PosternError } from '../../core/error.ts';

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;
const PLAIN = /^[\w@%+=:,./-]+$/;

/** Any word of a `ProxyCommand`: what means something to a shell or to ssh gets a backslash. Throws CLI_FAILED. */
export function commandWord(word: string): string {
  if (word === '') return "''";
  return checked(word, CONTROL)
    .replaceAll(/[^\w@%+=:,./\u0080-\uffff-]/g, String.raw`\$&`)
    .replaceAll('%', '%%');
}

/** A word of a command that may also stand in `exec "…"`. Throws CLI_FAILED for one with a quote or a backslash. */
export function execWord(word: string): string {
  const checkedWord = checked(checked(word, CONTROL), /['"\\]/).replaceAll('%', '%%');
  return PLAIN.test(checkedWord) ? checkedWord : `'${checkedWord}'`;
}

/** A file name as the argument of `IdentityFile` and `CertificateFile`. `token`, such as `%h`, is put behind it. */
export function fileArgument(file: string, token = ''): string {
  // ssh would put the value of a variable in its place.
  const escaped = checked(checked(file, CONTROL), /\$\{/).replaceAll('%', '%%');
  return `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}${token}"`;
}

function checked(text: string, forbidden: RegExp): string {
  const found = forbidden.exec(text);
  if (found === null) return text;
  const message = `Cannot write ${JSON.stringify(text)} for ssh to read: it has ${JSON.stringify(found[0])} in it`;
  throw new PosternError('CLI_FAILED', message);
}
