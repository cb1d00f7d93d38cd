/**
 * What people are told whose command line is not understood: what is wrong, what they probably meant, where to look.
 *
 * A word that looks like a token is never repeated: the line may end up in a log.
 */
import { nearestKey } from '../config/nearest-key.ts';
import { PosternError } from '../core/error.ts';

/** Where in the tree of commands the words led: what exists there can be suggested. */
export interface Place {
  /** The words so far, without the program's name. */
  readonly path: string;
  /** How the command is called, where it is one: `create <name>`. */
  readonly usage?: string;
  readonly commands: readonly string[];
  readonly options: readonly string[];
}

/** The error for a problem in yargs' words. */
export function usageError(problem: string, place: Place, words: readonly string[]): PosternError {
  const command = `postern ${place.path}`.trimEnd();
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/s.exec(problem)?.[1];
  const explained =
    unknown === undefined
      ? explain(problem, place)
      : explainUnknown(unknown.split(', ')[0] ?? unknown, place, words);
  const message = `Cannot run "${command}": ${explained}; see "${command} --help"`;
  return new PosternError('CLI_USAGE', message);
}

function explainUnknown(name: string, place: Place, words: readonly string[]): string {
  const option = words
    .map((word) => word.split('=')[0])
    .find((word) => word === `--${name}` || word === `-${name}`);
  if (option !== undefined) {
    const near = nearestKey(name, place.options);
    return `unknown option "${safe(option)}"${near === undefined ? '' : `; did you mean "--${near}"?`}`;
  }
  if (place.commands.length === 0) return `unexpected argument "${safe(name)}"`;
  const near = nearestKey(name, place.commands);
  return `unknown command "${safe(name)}"${near === undefined ? '' : `; did you mean "${near}"?`}`;
}

function explain(problem: string, { usage, path }: Place): string {
  const option = /^Not enough arguments following: (.*)$/.exec(problem)?.[1];
  if (option !== undefined) return `option "--${option}" needs a value`;
  if (problem.startsWith('Not enough non-option arguments')) {
    if (usage === undefined) return 'a command is missing';
    return `an argument is missing; write "postern ${path}${usage.slice(usage.indexOf(' '))}"`;
  }
  const choice = /Argument: ([^,]+), Given: (.*), Choices: (.*)$/s.exec(problem);
  if (choice !== null) {
    const [, name, given, choices] = choice;
    return `option "--${name}" must be one of ${choices}; found ${safe(given ?? '')}`;
  }
  return problem.replaceAll(/\s*\n\s*/g, ' ');
}

/** Somebody may have put a token where it does not belong. */
function safe(word: string): string {
  return /p(?:st|se|cl)_/.test(word) ? 'a token' : word;
}
