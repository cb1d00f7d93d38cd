import { describe, expect, it } from '@jest/globals';

import { isTunnelName } from '../../../src/core/tunnel-name.ts';

describe('isTunnelName()', () => {
  it.each(['a', '7', 'home', 'web-1', 'my_tunnel', 'eu.prod.web', 'a'.repeat(64)])(
    'accepts "%s"',
    (name) => {
      expect(isTunnelName(name)).toBe(true);
    },
  );

  it.each([
    ['empty', ''],
    ['65 characters', 'a'.repeat(65)],
    ['a capital', 'Home'],
    ['a space', 'my tunnel'],
    ['a leading hyphen, which is an option', '-home'],
    ['a trailing hyphen', 'home-'],
    ['dots only', '..'],
    ['a slash', 'a/b'],
    ['a line end', 'home\n'],
    ['a letter outside ASCII', 'häuschen'],
    ['the form of an id', '00112233-4455-6677-8899-aabbccddeeff'],
  ])('refuses %s', (_, name) => {
    expect(isTunnelName(name)).toBe(false);
  });
});
