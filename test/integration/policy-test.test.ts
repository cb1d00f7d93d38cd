/**
 * What `postern gateway policy test` says and ends with, at the real command line. Every file in test/golden/policy/ is a
 * case: the arguments in the first line, the gateway's file, a line of dashes, and what is printed. `UPDATE_GOLDEN=1`
 * writes what is printed now. Files of test/golden/config/files/ may be named, and `countries.mmdb`.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, expect, it } from '@jest/globals';

import { countryFile } from '../support/country-file.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';
import { tempDir } from '../support/temp-dir.ts';

const GOLDEN = join(import.meta.dirname, '../golden/policy');
const FILES = join(import.meta.dirname, '../golden/config/files');

const isUpdate = process.env['UPDATE_GOLDEN'] === '1';
let dir: string;

beforeAll(() => {
  dir = tempDir('policy');
  cpSync(FILES, dir, { recursive: true });
  const entries = [
    { network: '198.51.100.0/24', value: { country: { iso_code: 'RU' } } },
    { network: '2001:db8::/32', value: { country: { iso_code: 'AT' } } },
  ];
  writeFileSync(join(dir, 'countries.mmdb'), countryFile(entries));
  const ann = { email: 'ann@example.com', methods: ['mfa'], provider: 'corp', claims: { a: [1] } };
  writeFileSync(join(dir, 'ann.json'), JSON.stringify(ann));
  writeFileSync(join(dir, 'mistake.json'), '{\n  "email": "ann@example.com",\n  "grups": []\n}\n');
});

it.each(readdirSync(GOLDEN))('%s', async (name) => {
  const text = readFileSync(join(GOLDEN, name), 'utf8');
  const [, args = '', file = '', dashes = '', expected = ''] =
    /^# (.*?)\n(.*?)^(-{10,}\n)(.*)$/ms.exec(text) ?? [];
  writeFileSync(join(dir, 'gateway.yaml'), file);
  const words = ['gateway', 'policy', 'test', '--config', 'gateway.yaml', ...args.split(' ')];
  const [command, given] = posternCommand(...words);
  const { code, stdout, stderr } = await run(command, given, { cwd: dir, env: posternEnv() });
  const said = `exit ${code}\n${stdout}${stderr}`.replaceAll(dir, '<folder>');
  if (isUpdate) writeFileSync(join(GOLDEN, name), `# ${args}\n${file}${dashes}${said}`);
  else expect(said).toBe(expected);
  // 0 for "let in", and for nothing else.
  expect(code === 0).toBe(/^allow: |"outcome": "allow"/m.test(stdout));
});
