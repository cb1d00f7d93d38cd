/** What a command is given of the words of a command line. */
import { expect, it } from '@jest/globals';

import { runCommandLine } from '../../../src/cli/command-line.ts';
import { defineCommand, type CommandGroup } from '../../../src/cli/command.ts';

/** What the command hears for the words. */
async function heard(...words: readonly string[]): Promise<object> {
  let seen: object = {};
  const command = defineCommand({
    positionals: {},
    options: {
      many: { type: 'string', array: true, nargs: 1 },
      one: { type: 'string', requiresArg: true, alias: 'o' },
      level: { choices: ['low', 'high'], default: 'low' },
      really: { type: 'boolean', default: false },
    },
    run: async ({ many, one, level, really }) => {
      seen = { many, one, level, really };
      return 0;
    },
  });
  const entry = { usage: 'go', summary: 'Do it', load: async () => command };
  const tree: CommandGroup = { name: 'test', summary: 'Test', commands: [entry] };
  await runCommandLine(['go', ...words], tree, () => undefined);
  return seen;
}

it('an option that may be repeated has every value, in order', async () => {
  expect(await heard('--many', 'a', '--many=b', '--one', 'x', '--many', 'c')).toMatchObject({
    many: ['a', 'b', 'c'],
    one: 'x',
  });
});

it('of an option with one value the last counts', async () => {
  const words = ['--one', 'x', '-o', 'y', '--level', 'low', '--level', 'high', '--really'];
  expect(await heard(...words, '--really')).toEqual({
    many: undefined,
    one: 'y',
    level: 'high',
    really: true,
  });
  expect(await heard()).toEqual({ many: undefined, one: undefined, level: 'low', really: false });
  await expect(heard('--level', 'low', '--level', 'none')).rejects.toMatchObject({
    code: 'CLI_USAGE',
  });
});
