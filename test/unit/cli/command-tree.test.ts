/** Every command there is, as a table of cases: help that works, and the documentation that lists them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { runCommandLine } from '../../../src/cli/command-line.ts';
import type { CommandGroup } from '../../../src/cli/command.ts';
import { commandTree } from '../../../src/cli/command-tree.ts';

interface Listed {
  readonly path: string;
  readonly usage: string;
  readonly summary: string;
}

function listed(group: CommandGroup, path: string): Listed[] {
  return group.commands.flatMap((entry) => {
    if ('commands' in entry) return listed(entry, `${path} ${entry.name}`.trim());
    if ('isHidden' in entry) return [];
    const usage = `${path} ${entry.usage}`.trim();
    return [{ path: usage.replaceAll(/ [<[].*/g, ''), usage, summary: entry.summary }];
  });
}

const COMMANDS = listed(commandTree, '');
const GROUPS = ['', 'gateway', 'gateway policy', 'tunnel', 'tunnel route', 'tunnel ingress'];

async function helpOf(path: string): Promise<string> {
  const printed: string[] = [];
  const words = path.split(' ').filter(Boolean);
  const status = await runCommandLine([...words, '--help'], commandTree, (text) =>
    printed.push(text),
  );
  expect(status).toBe(0);
  return printed.join('\n');
}

describe('every command', () => {
  it.each(COMMANDS)('postern $path explains itself', async ({ path, usage, summary }) => {
    const help = await helpOf(path);
    expect(help).toContain(`postern ${usage}\n\n${summary}\n`);
    // A flag without a description helps nobody.
    for (const line of help.split('\n').filter((text) => /^ +(-\w, )?--/.test(text))) {
      expect(line).toMatch(/^ +(-\w, )?--[\w-]+ {2,}\w/);
    }
  });

  it.each(COMMANDS)('postern $path has a summary of one line, in the imperative', ({ summary }) => {
    expect(summary).toMatch(/^[A-Z][^\n]{5,75}[^.]$/);
  });

  it.each(GROUPS)('postern %s lists its commands', async (path) => {
    const help = await helpOf(path);
    const inside = COMMANDS.filter((command) => command.path.startsWith(path));
    expect(inside.length).toBeGreaterThan(0);
    for (const { usage } of inside) {
      const words = usage.slice(path.length).trim().split(' ');
      expect(help).toContain(`postern ${`${path} ${words[0]}`.trim()}`);
    }
  });

  it.each(GROUPS)('postern %s alone is a usage error', async (path) => {
    const words = path.split(' ').filter(Boolean);
    await expect(runCommandLine(words, commandTree, () => undefined)).rejects.toMatchObject({
      code: 'CLI_USAGE',
      message: expect.stringContaining('a command is missing'),
    });
  });

  it('is in docs/operations.md, and nothing else is', () => {
    const file = join(import.meta.dirname, '../../../docs/operations.md');
    const section = /\n## Commands\n(.*?)\n## /s.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    const documented = [...section.matchAll(/^\| `postern ([^`]+)`/gm)].map(([, usage]) => usage);
    expect(new Set(documented)).toEqual(new Set(COMMANDS.map(({ usage }) => usage)));
    expect(documented).toHaveLength(COMMANDS.length);
  });
});
