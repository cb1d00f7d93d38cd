/** Commands that take the words behind their name as they are. */
import { beforeEach, describe, expect, it } from '@jest/globals';

import type { CommandGroup } from '../../../src/cli/command.ts';
import { runCommandLine } from '../../../src/cli/command-line.ts';

let given: (readonly string[])[];
let printed: string[];

beforeEach(() => {
  given = [];
  printed = [];
});

const TREE: CommandGroup = {
  name: 'postern',
  summary: 'A test',
  commands: [
    {
      name: 'access',
      summary: 'Things',
      commands: [
        {
          usage: 'ssh <host> [words..]',
          summary: 'Pass words on',
          loadPassing: async () => ({
            help: 'All about ssh',
            run: async (words) => {
              given.push(words);
              return 42;
            },
          }),
        },
      ],
    },
  ],
};

async function run(...words: readonly string[]): Promise<number> {
  return runCommandLine(words, TREE, (text) => void printed.push(text));
}

describe('a passing command', () => {
  it('gets every word as it was written, and its status is that of the process', async () => {
    const words = ['host', '-tL', '8080:a:80', '--', '-x', '', '--help', '--version', '-o=1'];
    expect(await run('access', 'ssh', ...words)).toBe(42);
    expect(given).toEqual([words]);
  });

  it('is called without words too', async () => {
    expect(await run('access', 'ssh')).toBe(42);
    expect(given).toEqual([[]]);
  });

  it.each([['access ssh --help'], ['access ssh -h'], ['help access ssh']])(
    'shows its help for "%s"',
    async (line) => {
      expect(await run(...line.split(' '))).toBe(0);
      expect([given, printed]).toEqual([[], ['All about ssh']]);
    },
  );

  it('is in the list of its group', async () => {
    expect(await run('access', '--help')).toBe(0);
    expect(printed.join('\n')).toMatch(/access ssh <host> \[words\.\.\] +Pass words on/);
  });

  it('is not run when something stands before its name', async () => {
    await expect(run('--quiet', 'access', 'ssh')).rejects.toMatchObject({ code: 'CLI_USAGE' });
    expect(given).toEqual([]);
  });
});
