/**
 * The command line, from words to a command that runs: the one place that knows yargs.
 *
 * Strict: what is not understood is refused, with the nearest thing that exists. A word that looks like a token is never
 * repeated.
 */
import yargs, { type Argv, type CommandModule } from 'yargs';
import { nearestKey } from '../config/nearest-key.ts';
import { PosternError } from '../core/error.ts';
import { VERSION } from '../core/version.ts';
import type { Command, CommandGroup } from './command.ts';
import { EXIT, type ExitCode } from './exit-code.ts';

/** Widest help, columns. */
const HELP_COLUMNS = 100;

/** Where in the tree the words have led so far: what exists there can be suggested. */
interface Place {
  readonly path: string;
  readonly words: readonly string[];
  readonly options: readonly string[];
}

/** Runs what the words ask for and returns its exit status. Throws CLI_USAGE, and whatever the command throws. */
export async function runCommandLine(
  words: readonly string[],
  tree: CommandGroup,
  print: (text: string) => void,
): Promise<ExitCode> {
  let place = placeOf(tree, '');
  let exitCode: ExitCode = EXIT.done;
  const line = new Tree(
    (here) => (place = here),
    (code) => (exitCode = code),
  );
  const parser = line.root(words, tree).fail((problem: string | null, error: Error | undefined) => {
    // What a command throws comes through here too; yargs' own errors are of a class of its own.
    if (error !== undefined && error.name !== 'YError') throw error;
    throw usageError(problem ?? error?.message ?? '', place, words);
  });
  await parser.parseAsync([...words], {}, (_error, _args, output) => {
    if (output !== '') print(output);
  });
  return exitCode;
}

class Tree {
  readonly #onPlace: (place: Place) => void;
  readonly #onExit: (code: ExitCode) => void;

  constructor(onPlace: (place: Place) => void, onExit: (code: ExitCode) => void) {
    this.#onPlace = onPlace;
    this.#onExit = onExit;
  }

  root(words: readonly string[], tree: CommandGroup): Argv {
    const parser = yargs([...words])
      .scriptName(tree.name)
      .usage(`$0 <command>\n\n${tree.summary}`)
      .parserConfiguration({
        'boolean-negation': false,
        'camel-case-expansion': false,
        'duplicate-arguments-array': false,
        'parse-numbers': false,
        'parse-positional-numbers': false,
      })
      .locale('en')
      .exitProcess(false)
      .strict()
      .help()
      .alias('help', 'h')
      .version(VERSION)
      .showHelpOnFail(false)
      .wrap(Math.min(HELP_COLUMNS, process.stdout.columns ?? HELP_COLUMNS));
    this.#addAll(parser, tree, '');
    return parser;
  }

  #addAll(parser: Argv, group: CommandGroup, path: string): Argv {
    for (const entry of group.commands) {
      parser.command('commands' in entry ? this.#group(entry, path) : this.#command(entry, path));
    }
    // Says so for `postern` and `postern tunnel` alone; usageError() finds the words.
    return parser.demandCommand(1, 'no command');
  }

  #group(group: CommandGroup, path: string): CommandModule {
    const here = `${path} ${group.name}`.trimStart();
    return {
      command: group.name,
      describe: group.summary,
      builder: (parser) => {
        this.#onPlace(placeOf(group, here));
        return this.#addAll(parser, group, here);
      },
      handler: () => undefined,
    };
  }

  #command(command: Command, path: string): CommandModule {
    const here = `${path} ${nameOf(command)}`.trimStart();
    return {
      command: command.usage,
      describe: command.summary,
      builder: (parser) => {
        const options = [...Object.keys(command.options), 'help', 'version'];
        this.#onPlace({ path: here, words: [], options });
        for (const [name, positional] of Object.entries(command.positionals)) {
          parser.positional(name, positional);
        }
        return parser.options(command.options);
      },
      handler: async (args) => this.#onExit(await command.run(args)),
    };
  }
}

function placeOf(group: CommandGroup, path: string): Place {
  const words = group.commands.map((entry) => ('commands' in entry ? entry.name : nameOf(entry)));
  return { path, words, options: ['help', 'version'] };
}

function nameOf({ usage }: Command): string {
  return usage.split(' ')[0] ?? usage;
}

/** yargs' problem in our words, with what was probably meant. */
function usageError(problem: string, place: Place, words: readonly string[]): PosternError {
  const command = `postern ${place.path}`.trimEnd();
  const see = `see "${command} --help"`;
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/s.exec(problem)?.[1];
  const explained =
    unknown === undefined ? explain(problem) : describeUnknown(unknown, place, words);
  return new PosternError('CLI_USAGE', `Cannot run "${command}": ${explained}; ${see}`);
}

function describeUnknown(
  names: string,
  { words: known, options }: Place,
  words: readonly string[],
): string {
  const name = names.split(', ')[0] ?? names;
  const dashes = words.some((word) => word.split('=')[0] === `--${name}`) ? '--' : '-';
  const isOption = words.some((word) => word.split('=')[0] === `${dashes}${name}`);
  if (isOption) {
    const near = nearestKey(name, options);
    return `unknown option "${dashes}${name}"${near === undefined ? '' : `; did you mean "--${near}"?`}`;
  }
  if (known.length === 0) return `unexpected argument "${safe(name)}"`;
  const near = nearestKey(name, known);
  return `unknown command "${safe(name)}"${near === undefined ? '' : `; did you mean "${near}"?`}`;
}

function explain(problem: string): string {
  const missing = /^Not enough arguments following: (.*)$/.exec(problem)?.[1];
  if (missing !== undefined) return `option "--${missing}" needs a value`;
  if (problem.startsWith('Not enough non-option arguments')) return 'an argument is missing';
  if (problem === 'no command') return 'a command is missing';
  return problem.replaceAll(/\s*\n\s*/g, ' ').replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

/** Somebody may have put a token where it does not belong. */
function safe(word: string): string {
  return word.includes('pst_') ? 'pst_…' : word;
}
