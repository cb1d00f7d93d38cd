/**
 * What a command is: its arguments with their types, and what it does. The yargs tree is made of these, and no command
 * knows yargs beyond the description of its options.
 */
import type { InferredOptionTypes, Options, PositionalOptions } from 'yargs';

type OptionMap = Readonly<Record<string, Options>>;
type PositionalMap = Readonly<Record<string, PositionalOptions>>;

export interface CommandDefinition<P extends PositionalMap, O extends OptionMap> {
  /** Arguments by the names that the usage gives them. */
  readonly positionals: P;
  readonly options: O;
  /** What the help says below the options. */
  readonly epilogue?: string;
  /** Does it. What is returned is the exit status: one of EXIT, or another program's. What is thrown decides it by its code. */
  run(args: InferredOptionTypes<P & O>): Promise<number>;
}

/** A command, its types forgotten. */
export interface Command {
  readonly positionals: PositionalMap;
  readonly options: OptionMap;
  readonly epilogue?: string;
  run(args: object): Promise<number>;
}

/** A command as the tree has it, before its code is loaded. */
export interface CommandEntry {
  /** Its name, then its arguments: `create <name>`. */
  readonly usage: string;
  /** One line for the help: what it does, in the imperative. */
  readonly summary: string;
  /** For programs: the help does not speak of it. */
  readonly isHidden?: true;
  load(): Promise<Command>;
}

/** A command that is given its words as they were written, because most of them are for another program. */
export interface PassingCommand {
  /** All of its help. */
  readonly help: string;
  /** Does it. Resolves with the exit status of the process, which may be the other program's. */
  run(words: readonly string[]): Promise<number>;
}

/** Such a command as the tree has it. */
export interface PassingEntry {
  readonly usage: string;
  readonly summary: string;
  loadPassing(): Promise<PassingCommand>;
}

/** Commands under one word: `tunnel`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly (CommandEntry | PassingEntry | CommandGroup)[];
}

/** Describes a command; its arguments are typed by their description. */
export function defineCommand<const P extends PositionalMap, const O extends OptionMap>(
  definition: CommandDefinition<P, O>,
): Command {
  return {
    ...definition,
    // yargs has parsed and checked them against the same description.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    run: async (args) => definition.run(args as InferredOptionTypes<P & O>),
  };
}
