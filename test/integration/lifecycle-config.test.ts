/**
 * Mistakes in files, flags and variables, made at the real command line. Every file in test/golden/cli/ is a case: the
 * file that is read, whose first line is the command, a line of dashes, and what the command prints and exits with.
 * One line on stderr: place, key, what is wrong, what to do. `UPDATE_GOLDEN=1` writes what is printed now.
 *
 * `{taken}` stands for a port that another program has; `# env: NAME=value` sets a variable. Files that a case names are
 * those of test/golden/config/files/, and `unreadable.pem`, which nobody may read.
 */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, expect, it } from '@jest/globals';

import { startEcho } from '../support/real/tcp-origin.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';
import { toolPath } from '../support/tools.ts';

const GOLDEN = join(import.meta.dirname, '../golden/cli');
const FILES = join(import.meta.dirname, '../golden/config/files');
/** Programs that run at once. */
const AT_ONCE = 4;

const isUpdate = process.env['UPDATE_GOLDEN'] === '1';
const cases = readdirSync(GOLDEN);
const printed = new Map<string, string>();

beforeAll(async () => {
  const { port } = await startEcho();
  const waiting = [...cases];
  const runNext = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      printed.set(name, await runCase(name, String(port)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runNext));
}, 120_000);

it.each(cases)('%s', (name) => {
  const { input, dashes, expected } = parts(name);
  const said = printed.get(name) ?? '';
  if (isUpdate) writeFileSync(join(GOLDEN, name), `${input}${dashes}${said}`);
  else expect(said).toBe(expected);
  // Exit status 2, nothing on stdout, and one line on stderr.
  expect(said).toMatch(/^exit 2\npostern: [^\n]+ \((?:CONFIG|CLI)_[A-Z_]+\)\n$/);
});

function parts(name: string): { input: string; dashes: string; expected: string } {
  const text = readFileSync(join(GOLDEN, name), 'utf8');
  const [, input = '', dashes = '', expected = ''] = /^(.*?)^(-{10,}\n)(.*)$/ms.exec(text) ?? [];
  return { input, dashes, expected };
}

async function runCase(name: string, taken: string): Promise<string> {
  const dir = tempDir('mistake');
  cpSync(FILES, dir, { recursive: true });
  mkdirSync(join(dir, 'a-folder'));
  writeFileSync(join(dir, 'unreadable.pem'), readFileSync(join(FILES, 'key.pem')));
  chmodSync(join(dir, 'unreadable.pem'), 0o000);

  const { input } = parts(name);
  const [, line = ''] = /^# postern (.*)$/m.exec(input) ?? [];
  const words = line.replaceAll('{taken}', taken).split(' ');
  const file = words[words.indexOf('--config') + 1] ?? '';
  // A case without a file is about what happens then.
  const content = input.replace(/^(?:# (?:postern|env:).*\n)+/, (head) =>
    head === input ? '' : head,
  );
  if (content !== '') writeFileSync(join(dir, file), content.replaceAll('{taken}', taken));
  const env = Object.fromEntries(
    Array.from(input.matchAll(/^# env: (\w+)=(.*)$/gm), ([, key = '', value = '']) => [key, value]),
  );

  const [command = '', ...args] = [...withoutPrivileges(), ...posternCommand(...words).flat()];
  const { code, stdout, stderr } = await run(command, args, { cwd: dir, env: posternEnv(env) });
  expect(stdout).toBe('');
  return `exit ${code}\n${stderr.replaceAll(taken, '{taken}').replaceAll(dir, '<folder>')}`;
}

/** For root, too, a file that nobody may read is one that cannot be read. */
function withoutPrivileges(): string[] {
  if (process.getuid?.() !== 0) return [];
  return [toolPath('setpriv'), '--bounding-set=-dac_override,-dac_read_search', '--'];
}
