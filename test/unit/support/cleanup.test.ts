import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { run, type RunResult } from '../../support/run.ts';
import { tempDir } from '../../support/temp-dir.ts';

const require = createRequire(import.meta.url);
const SUPPORT = resolve(import.meta.dirname, '../../support');

/** Runs one test file in a Jest of its own, which shows what a failure does. */
function runJest(source: string): Promise<RunResult> {
  const dir = tempDir('jest');
  mkdirSync(join(dir, 'test'));
  const imports = `
    import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
    import { cleanup, currentScope } from '${SUPPORT}/cleanup.ts';
    import { showOnFailure } from '${SUPPORT}/failure-log.ts';
    const say = (text) => process.stderr.write(text + '\\n');
  `;
  writeFileSync(join(dir, 'test/inner.test.ts'), imports + source);
  const swc = {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  };
  const config = {
    rootDir: dir,
    extensionsToTreatAsEsm: ['.ts'],
    testMatch: ['<rootDir>/test/*.test.ts'],
    transform: { '^.+\\.ts$': [require.resolve('@swc/jest'), swc] },
  };
  writeFileSync(join(dir, 'jest.config.json'), JSON.stringify(config));
  const jest = join(require.resolve('jest/package.json'), '../bin/jest.js');
  const args = [
    '--experimental-vm-modules',
    '--no-warnings',
    jest,
    '-c',
    join(dir, 'jest.config.json'),
  ];
  return run(process.execPath, args, { cwd: dir, deadlineMs: 60_000 });
}

/** The lines in `text` that the inner test file said, in order. */
function said(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('> '));
}

describe('clean-ups and failure logs', () => {
  it('clean-ups run last in first out, after their test or their file, also after a failure', async () => {
    const { stderr, code } = await runJest(`
      cleanup(() => say('> file 1'));
      beforeAll(() => cleanup(async () => say('> file 2')));
      const scopeOfFile = currentScope();
      describe('inner', () => {
        afterAll(() => say('> afterAll'));
        it('fails', () => {
          cleanup(() => say('> test 1'));
          cleanup(async () => say('> test 2'));
          say('> body');
          expect(1).toBe(2);
        });
        it('passes', () => {
          cleanup(() => say('> test 3'));
          scopeOfFile.add(() => say('> file 3'));
        });
      });
    `);
    expect(said(stderr)).toEqual(
      ['body', 'test 2', 'test 1', 'test 3', 'afterAll', 'file 3', 'file 2', 'file 1'].map(
        (line) => `> ${line}`,
      ),
    );
    expect(code).toBe(1);
  });

  it('a clean-up that throws fails the test and does not keep the others from running', async () => {
    const { stderr, code } = await runJest(`
      it('passes itself', () => {
        cleanup(() => say('> first'));
        cleanup(() => { throw new Error('left behind'); });
      });
    `);
    expect(said(stderr)).toEqual(['> first']);
    expect(stderr).toContain('left behind');
    expect(code).toBe(1);
  });

  it('what a server said is shown when a test or a hook fails, and only then', async () => {
    const { stderr } = await runJest(`
      beforeAll(() => showOnFailure('of the file', () => '> file log'));
      it('passes', () => showOnFailure('of a good test', () => '> good log'));
      it('fails', () => {
        showOnFailure('of a bad test', () => 'x'.repeat(50_000) + '\\n> bad log');
        expect(1).toBe(2);
      });
      describe('inner', () => {
        beforeAll(() => {
          showOnFailure('of a hook', () => '> hook log');
          throw new Error('cannot start');
        });
        it('never runs', () => undefined);
      });
    `);
    const shown = said(stderr);
    expect(shown.slice(0, 2)).toEqual(['> file log', '> bad log']);
    expect(shown).toContain('> hook log');
    expect(shown).not.toContain('> good log');
    expect(stderr).toContain('── of a bad test ──');
    expect(stderr).not.toContain('x'.repeat(12_500));
  });
});
