/**
 * Every file below test/golden/config/ is a case: a configuration, a line of dashes, and what reading it says: one line
 * of error, or `ok` and the resolved configuration. Adding a case is adding a file; `UPDATE_GOLDEN=1` writes what is
 * said now below the dashes, to be read before it is committed.
 *
 * Comments at the top may set what wins over the file: `# env: NAME=value` and `# flag: key=value`. Files that a case
 * names are those in `files/`.
 */
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConnectorConfig } from '../../../src/config/connector/connector-config.ts';
import { loadGatewayConfig } from '../../../src/config/gateway-config.ts';
import { codeOf, messageOf } from '../../../src/core/error.ts';

const GOLDEN = fileURLToPath(new URL('../../golden/config', import.meta.url));
const isUpdate = process.env['UPDATE_GOLDEN'] === '1';

const kinds = [
  { folder: 'gateway', name: 'gateway.yaml', load: loadGatewayConfig },
  { folder: 'connector', name: 'config.yml', load: loadConnectorConfig },
] as const;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-golden-'));
  await cp(join(GOLDEN, 'files'), folder, { recursive: true });
  await mkdir(join(folder, 'a-folder'));
  // Git keeps no more of a file's mode than whether it is a program.
  await chmod(join(folder, 'secret'), 0o600);
  await cp(join(folder, 'secret'), join(folder, 'open-secret'));
  await chmod(join(folder, 'open-secret'), 0o644);
});

afterAll(() => rm(folder, { recursive: true }));

for (const kind of kinds) {
  const cases = await readdir(join(GOLDEN, kind.folder));
  describe(`the ${kind.folder}'s file`, () => {
    it.each(cases)('%s', async (name) => {
      const file = join(GOLDEN, kind.folder, name);
      const [, input = '', dashes = '', expected = ''] =
        /^(.*?)^(-{10,}\n)(.*)$/ms.exec(await readFile(file, 'utf8')) ?? [];
      const said = await say(kind, input);
      if (isUpdate) await writeFile(file, `${input}${dashes}${said}`);
      else expect(said).toBe(expected);
    });
  });
}

async function say({ name, load }: (typeof kinds)[number], input: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, input);
  let said: string;
  try {
    const env = settings(input, 'env');
    said = `ok\n${canonical(await load(file, { env, flags: settings(input, 'flag') }))}\n`;
  } catch (error) {
    expect(codeOf(error)).toMatch(/^CONFIG_/);
    expect(messageOf(error)).not.toMatch(/[\r\n]/);
    said = `${codeOf(error)} ${messageOf(error)}\n`;
  }
  return said.replaceAll(`${folder}/${name}:`, `${name}:`).replaceAll(folder, '<folder>');
}

function settings(input: string, word: 'env' | 'flag'): Record<string, string> {
  const lines = input.matchAll(new RegExp(`^# ${word}: ([^=]+)=(.*)$`, 'gm'));
  return Object.fromEntries(Array.from(lines, ([, key = '', value = '']) => [key, value]));
}

/** JSON with sorted keys, so that the order of fields in our code is not part of a case. */
function canonical(value: unknown): string {
  return JSON.stringify(value, sortKeys, 2);
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
