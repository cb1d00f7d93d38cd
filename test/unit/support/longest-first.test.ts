import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import LongestFirst, { LONGEST } from '../../support/longest-first.js';

const ROOT = join(import.meta.dirname, '../../..');
const suite = (name: string) => ({
  path: join(ROOT, `test/${name}.test.ts`),
  context: { config: { rootDir: ROOT } },
});

it('every suite that starts early exists, and stands in the list once', () => {
  expect(LONGEST.filter((name) => !existsSync(suite(name).path))).toEqual([]);
  expect(new Set(LONGEST).size).toBe(LONGEST.length);
});

it('suites of the list come first, in its order, then the others, the largest file first', () => {
  const small = suite('unit/support/eventually');
  const large = suite('unit/protocol/link-abuse');
  const listed = LONGEST.slice(0, 3).map(suite);
  const sorted = new LongestFirst().sort([small, ...listed.toReversed(), large]);
  expect(sorted).toEqual([...listed, large, small]);
});
