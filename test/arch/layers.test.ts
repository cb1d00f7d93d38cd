/** Holds the import table against the imports, the tsconfig references and package.json. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { LAYERS, violations } from './import-table.ts';
import { ROOT, mentions, sourceFiles } from './module-graph.ts';

const FILES = sourceFiles();

function isFile(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** The folders that the references of a tsconfig lead to. */
function references(tsconfig: string): string[] {
  const { references: list }: { references: { path: string }[] } = JSON.parse(
    readFileSync(join(ROOT, tsconfig), 'utf8'),
  );
  return list.map(({ path }) => path.split('/').at(-1) ?? path).toSorted();
}

describe('src/', () => {
  it('imports only what the table allows', () => {
    expect(violations(FILES, isFile)).toEqual([]);
  });

  it('has no folder that is missing from the table, and the table none that is missing', () => {
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(folders.toSorted()).toEqual(Object.keys(LAYERS).toSorted());
  });

  it.each(Object.entries(LAYERS))(
    '%s references in its tsconfig what the table says',
    (name, layer) => {
      expect(references(`src/${name}/tsconfig.json`)).toEqual(layer.folders.toSorted());
    },
  );

  it('is built whole by the root, and tested whole', () => {
    expect(references('tsconfig.json')).toEqual(['cli', 'test']);
    expect(references('test/tsconfig.json')).toEqual(Object.keys(LAYERS).toSorted());
    expect([...(LAYERS['cli']?.folders ?? []), 'cli'].toSorted()).toEqual(
      Object.keys(LAYERS).toSorted(),
    );
  });

  it('has no cycle of folders', () => {
    const done: string[] = [];
    const left = new Set(Object.keys(LAYERS));
    while (left.size > 0) {
      const next = [...left].find((name) => LAYERS[name]?.folders.every((f) => done.includes(f)));
      if (next === undefined) throw new Error(`a cycle among ${[...left].join(', ')}`);
      left.delete(next);
      done.push(next);
    }
  });

  it('uses every dependency in package.json, and no other', () => {
    const manifest: Record<
      'dependencies' | 'optionalDependencies',
      Record<string, string>
    > = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const named = { ...manifest.dependencies, ...manifest.optionalDependencies };
    const allowed = new Set(Object.values(LAYERS).flatMap(({ packages }) => packages));
    expect(Object.keys(named).toSorted()).toEqual([...allowed].toSorted());
  });

  it('never uses console', () => {
    expect(FILES.filter((file) => mentions(file, 'console')).map(({ path }) => path)).toEqual([]);
  });

  it('opens every file with a comment that says what it owns', () => {
    const silent = FILES.filter(({ text }) => !/^\/\*\*\s+(?:\*\s+)?\S/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('names every file in kebab-case for the one thing it has', () => {
    const vague = /\/(?:index|utils?|helpers?|common|managers?|service|misc|base|types?)\.ts$/;
    const bad = FILES.filter(({ path }) => !/^[a-z0-9/-]+\.ts$/.test(path) || vague.test(path));
    expect(bad.map(({ path }) => path)).toEqual([]);
  });
});

/** What is wrong with a file of this text. */
function judge(path: string, text: string): string[] {
  return violations([{ path, text }], (file) => file.endsWith('there.ts'));
}

describe('violations()', () => {
  it.each([
    ['src/config/a.ts', "import { x } from '../core/there.ts';"],
    ['src/config/a.ts', "import type { x } from './there.ts';"],
    ['src/config/a.ts', "export { x } from './deep/there.ts';"],
    ['src/config/deep/a.ts', "import { x } from '../../core/there.ts';"],
    ['src/config/a.ts', "import { x } from 'zod'; import { z } from 'zod/v4';"],
    ['src/protocol/a.ts', "import { x } from 'node:crypto';"],
    ['src/core/a.ts', "import { x } from 'node:net';"],
    ['src/gateway/a.ts', "const x = await import('@peculiar/x509');"],
    ['src/core/a.ts', "// import { x } from 'ws';\nconst text = \"import x from 'ws'\";"],
  ])('allows %s %s', (path, text) => {
    expect(judge(path, text)).toEqual([]);
  });

  it.each([
    ['src/core/a.ts', "import { x } from '../config/there.ts';", 'may not import config'],
    ['src/core/a.ts', "import type { x } from '../config/there.ts';", 'may not import config'],
    ['src/core/a.ts', "import { type x } from '../config/there.ts';", 'may not import config'],
    ['src/core/a.ts', "let x: import('../config/there.ts').X;", 'may not import config'],
    ['src/core/a.ts', "await import('../config/there.ts');", 'may not import config'],
    ['src/core/a.ts', "import '../config/there.ts';", 'may not import config'],
    ['src/config/a.ts', "export { x } from '../core/there.ts';", 'not passed on'],
    ['src/config/a.ts', "export * from '../core/there.ts';", 'not passed on'],
    ['src/config/a.ts', "import { x } from '../../src/core/there.ts';", 'not its own path'],
    ['src/config/a.ts', "import { x } from '../core/../core/there.ts';", 'not its own path'],
    ['src/config/a.ts', "import { x } from '../core/error.js';", 'no such file'],
    ['src/config/a.ts', "import { x } from '../../test/there.ts';", 'no such file'],
    ['src/protocol/a.ts', "import { x } from 'ws';", 'may not import package ws'],
    ['src/protocol/a.ts', "import type { x } from 'ws';", 'may not import package ws'],
    ['src/protocol/a.ts', "import { x } from '@scope/p/deep';", 'package @scope/p'],
    ['src/protocol/a.ts', "import { x } from 'node:net';", 'may not import this built-in'],
    ['src/protocol/a.ts', "import { x } from 'net';", 'may not import package net'],
    ['src/core/a.ts', 'await import(name);', 'cannot be checked'],
    ['src/core/a.ts', 'await import(`ws`);', 'cannot be checked'],
    ['src/elsewhere/a.ts', '', 'not in the table'],
  ])('finds %s %s', (path, text, why) => {
    expect(judge(path, text)).toEqual([expect.stringContaining(why)]);
  });
});

describe('mentions()', () => {
  it('finds console as a name, not not in comments or strings', () => {
    const texts = ['console.log(1)', 'globalThis.console', '// console.log\nconst a = "console"'];
    const found = texts.map((text) => mentions({ path: 'src/core/a.ts', text }, 'console'));
    expect(found).toEqual([true, true, false]);
  });
});
