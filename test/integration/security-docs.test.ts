/** docs/security.md names each case with the files that test it: both ways, so that neither is forgotten. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
/** Names of cases: links (M), connectors (K), HTTP (P), sessions (C), OpenID (O), SAML (S), laptops (L), audit (A). */
const CASE = /\b[MKPCOSLA]\d{1,2}\b/g;

const doc = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
const rows = Array.from(doc.matchAll(/^\| ([MKPCOSLA]\d+) +\|.*$/gm), ([row, name = '']) => {
  const files = Array.from(row.matchAll(/`(test\/[^`]+)`/g), ([, file = '']) => file);
  return { name, files };
});

function casesIn(file: string): Set<string> {
  // Names of tests only: a comment is no test.
  const names = readFileSync(join(ROOT, file), 'utf8').matchAll(/['"`](?:[^'"`\n]*)['"`]/g);
  return new Set(Array.from(names, ([text]) => text.match(CASE) ?? []).flat());
}

it('has a row for each case, once, with at least one test', () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  expect(rows.filter(({ files }) => files.length === 0)).toEqual([]);
});

it('names files that have tests of that case', () => {
  const wrong = rows.flatMap(({ name, files }) =>
    files.filter((file) => !casesIn(file).has(name)).map((file) => `${name}: ${file}`),
  );
  expect(wrong).toEqual([]);
});

it('has each case of HTTP and of connectors, with a test against running processes', () => {
  const cases = Array.from({ length: 36 }, (_, index) => `P${index + 1}`);
  const known = new Map(rows.map(({ name, files }) => [name, files]));
  const missing = [...cases, 'K4', 'K5', 'K6', 'K7', 'K8', 'K9', 'K12', 'K14'].filter(
    (name) => !known.get(name)?.some((file) => file.startsWith('test/integration/')),
  );
  expect(missing).toEqual([]);
});

it('misses no case that is tested', () => {
  const own = relative(ROOT, import.meta.filename);
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', file));
  const tested = new Set(
    files.filter((file) => file !== own).flatMap((file) => [...casesIn(file)]),
  );
  const known = new Set(rows.map(({ name }) => name));
  expect([...tested].filter((name) => /^[MKPS]/.test(name) && !known.has(name))).toEqual([]);
});
