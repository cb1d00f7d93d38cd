import { describe, expect, it } from '@jest/globals';
import { compareVersions, isVersion } from '../../../../src/cli/update/semantic-version.ts';

/** Each before the next; those of semver.org §11 among them. */
const ASCENDING = [
  '0.0.1',
  '0.1.0',
  '0.9.9',
  '0.10.0',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.0.1-0',
  '1.0.1',
  '2.0.0',
  '10.0.0',
  '9007199254740993.0.0',
  '9007199254740994.0.0',
];

describe('compareVersions()', () => {
  it('puts versions in their order', () => {
    for (const [at, a] of ASCENDING.entries()) {
      for (const [other, b] of ASCENDING.entries()) {
        expect([a, b, Math.sign(compareVersions(a, b))]).toEqual([a, b, Math.sign(at - other)]);
      }
    }
  });

  it('does not look at what a version was built with', () => {
    expect(compareVersions('1.0.0+a', '1.0.0+b')).toBe(0);
  });
});

describe('isVersion()', () => {
  it.each([...ASCENDING, '1.0.0+20261121', '1.0.0-rc.1+a.b'])('takes %s', (text) => {
    expect(isVersion(text)).toBe(true);
  });

  it.each([
    '',
    '1',
    '1.0',
    'v1.0.0',
    '01.0.0',
    '1.0.0 ',
    '1.0.0; rm -rf /',
    '1.0.0-$(id)',
    '1.0.0-é',
  ])('refuses %j', (text) => {
    expect(isVersion(text)).toBe(false);
  });
});
