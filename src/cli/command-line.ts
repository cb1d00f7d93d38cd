/**
 * The command line, from words to a command that runs: the one place that knows yargs.
 *
 * Strict: what is not understood is refused. Only the code of the command that runs is loaded.
 */
import yargs, { type Argv, type CommandModule } from 'yargs';
import { VERSION } from '../core/version.ts';
import type { Command, CommandEntry, CommandGroup, PassingEntry } from './command.ts';
import { EXIT } from './exit-code.ts';
import { usageError, type Place } from './usage-error.ts';

/** Widest help, columns. */
const HELP_COLUMNS = 100;
/** Options of every command. */
const COMMON_OPTIONS = ['help', 'version'];

/** Runs what the words ask for and returns its exit status. Throws CLI_USAGE, and whatever the command throws. */
export async function runCommandLine(
  words: readonly string[],
  tree: CommandGroup,
  print: (text: string) => void,
): Promise<number> {
  // People ask this way too.
  const asked = words[0] === 'help' ? [...words.slice(1), '--help'] : words;
  const passing = findPassing(tree, asked);
  if (passing !== undefined) return runPassing(passing.entry, passing.rest, print);
  const run = new CommandLineRun(tree);
  const parser = run.parser(asked).fail((problem: string | null, error: Error | undefined) => {
    throw error ?? new UsageProblem(problem ?? '');
  });
  try {
    await parser.parseAsync([...asked], {}, (_error, _args, output) => {
      if (output !== '') print(output);
    });
  } catch (error) {
    if (!isUsageProblem(error)) throw error;
    throw usageError(error.message, run.place, asked);
  }
  return run.exitCode;
}

/** The command that the words lead to and what stands behind its name, where it takes that as it is. */
function findPassing(
  group: CommandGroup,
  [word, ...rest]: readonly string[],
): { readonly entry: PassingEntry; readonly rest: readonly string[] } | undefined {
  const found = group.commands.find((entry) => nameOf(entry) === word);
  if (found === undefined || 'load' in found) return undefined;
  return 'commands' in found ? findPassing(found, rest) : { entry: found, rest };
}

async function runPassing(
  entry: PassingEntry,
  rest: readonly string[],
  print: (text: string) => void,
): Promise<number> {
  const command = await entry.loadPassing();
  if (rest[0] !== '--help' && rest[0] !== '-h') return command.run(rest);
  print(command.help);
  return EXIT.done;
}

/** What yargs says of a command line that it does not understand. */
class UsageProblem extends Error {
  override readonly name = 'UsageProblem';
}

/** Some of yargs' complaints are thrown and not reported; they have a class of their own, which is not exported. */
function isUsageProblem(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'YError' || error instanceof UsageProblem);
}

/** One pass from the root of the tree to a command. */
class CommandLineRun {
  readonly #tree: CommandGroup;
  place: Place;
  exitCode: number = EXIT.done;

  constructor(tree: CommandGroup) {
    this.#tree = tree;
    this.place = placeOf(tree, '');
  }

  parser(words: readonly string[]): Argv {
    const parser = yargs([...words])
      .scriptName(this.#tree.name)
      .usage(`$0 <command>\n\n${this.#tree.summary}`)
      .parserConfiguration({
        'boolean-negation': false,
        'camel-case-expansion': false,
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
    return this.#addAll(parser, this.#tree, '');
  }

  #addAll(parser: Argv, group: CommandGroup, path: string): Argv {
    for (const entry of group.commands) {
      const here = `${path} ${nameOf(entry)}`.trimStart();
      if ('commands' in entry) parser.command(this.#group(entry, here));
      else if ('load' in entry) parser.command(this.#command(entry, here));
      // Only for the list of commands: its words never get here.
      else
        parser.command({ command: entry.usage, describe: entry.summary, handler: () => undefined });
    }
    return parser.demandCommand(1);
  }

  #group(group: CommandGroup, path: string): CommandModule {
    return {
      command: group.name,
      describe: group.summary,
      builder: (parser) => {
        this.place = placeOf(group, path);
        return this.#addAll(parser, group, path);
      },
      handler: () => undefined,
    };
  }

  #command(entry: CommandEntry, path: string): CommandModule {
    let command: Command | undefined;
    return {
      command: entry.usage,
      describe: entry.isHidden === true ? false : entry.summary,
      builder: async (parser) => {
        command = await entry.load();
        const options = [...Object.keys(command.options), ...COMMON_OPTIONS];
        this.place = { path, usage: entry.usage, commands: [], options };
        for (const [name, positional] of Object.entries(command.positionals)) {
          parser.positional(name, positional);
        }
        if (command.epilogue !== undefined) parser.epilogue(command.epilogue);
        return parser.options(lastCounts(command.options));
      },
      handler: async (args) => {
        if (command !== undefined) this.exitCode = await command.run(args);
      },
    };
  }
}

/** The options as yargs takes them: given several times, the last value counts of those that have one. */
function lastCounts(options: Command['options']): Command['options'] {
  const entries = Object.entries(options).map(([name, option]) => [
    name,
    option.array === true ? option : { ...option, coerce: lastOf },
  ]);
  return Object.fromEntries(entries);
}

function lastOf(value: unknown): unknown {
  return Array.isArray(value) ? value.at(-1) : value;
}

function placeOf(group: CommandGroup, path: string): Place {
  const shown = group.commands.filter((entry) => !('isHidden' in entry));
  return { path, commands: shown.map(nameOf), options: COMMON_OPTIONS };
}

function nameOf(entry: CommandEntry | PassingEntry | CommandGroup): string {
  return 'commands' in entry ? entry.name : (entry.usage.split(' ')[0] ?? entry.usage);
}
