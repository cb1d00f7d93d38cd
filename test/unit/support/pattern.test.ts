import { createHash } from 'node:crypto';

import { expect, it } from '@jest/globals';

import { PatternCheck, PatternSource, patternBytes, patternSha256 } from '../../support/pattern.ts';

it('the pattern is the same from any offset and in any pieces', () => {
  const whole = patternBytes(1_000_000);
  for (const offset of [0, 1, 15, 16, 17, 65_535, 999_999]) {
    expect(patternBytes(1_000_000 - offset, offset).equals(whole.subarray(offset))).toBe(true);
  }
  const source = new PatternSource();
  const pieces = [1, 7, 300_000, 65_536, 0, 634_456].map((length) => source.next(length));
  expect(Buffer.concat(pieces).equals(whole)).toBe(true);
});

it('patternSha256() is the hash of those bytes', () => {
  const expected = createHash('sha256').update(patternBytes(700_001)).digest('hex');
  expect(patternSha256(700_001)).toBe(expected);
});

it.each([
  ['a changed byte', (bytes: Buffer) => bytes.fill(~(bytes[5000] ?? 0), 5000, 5001), 5000],
  [
    'a lost byte',
    (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 77), bytes.subarray(78)]),
    77,
  ],
  ['a repeated block', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 64), bytes]), 64],
])('PatternCheck names the offset of %s', (_what, damage, offset) => {
  const check = new PatternCheck();
  check.push(patternBytes(100));
  const damaged = damage(patternBytes(10_000, 100));
  expect(() => check.push(damaged)).toThrow(`byte ${offset + 100}:`);
  expect(check.bytes).toBe(100);
});
