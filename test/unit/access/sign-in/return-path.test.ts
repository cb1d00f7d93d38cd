import { expect, it } from '@jest/globals';
import fc from 'fast-check';

import { returnPath } from '../../../../src/access/sign-in/return-path.ts';
import { LIMITS } from '../../../../src/core/limits.ts';

it('O24 keeps paths of the same host, with their query', () => {
  for (const path of ['/', '/a/b', '/a?x=1&y=%2F%2Fevil', '/a/?q=https://evil', '/%41', '/a:b@c']) {
    expect(returnPath(path)).toBe(path);
  }
  expect(returnPath('/a/../b')).toBe('/b');
  expect(returnPath('/a#fragment')).toBe('/a');
});

it('O24 leads to / for everything that a browser could take for another host', () => {
  const wrong = [
    '//evil',
    '///evil',
    '/\\evil',
    '/a\\..\\..\\evil',
    'https:evil',
    'https://evil',
    'https://good@evil',
    'javascript:alert(1)',
    'evil',
    '',
    ' /a',
    '/\t/evil',
    '/\n/evil',
    '/a\r\nset-cookie: x=1',
    '/.//evil',
    '/x/..//evil',
    '/%2e//evil',
    '/ä',
    `/${'a'.repeat(LIMITS.returnPathChars)}`,
    undefined,
  ];
  for (const path of wrong) expect([path, returnPath(path)]).toEqual([path, '/']);
  expect(returnPath('/%0d%0aset-cookie:x')).toBe('/%0d%0aset-cookie:x');
});

it('O24 whatever is given, a browser stays on the host', () => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '.',
    '..',
    '%2f',
    '%2e',
    '@',
    ':',
    'evil',
    '?',
    '#',
    '\t',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const path = returnPath(`/${pieces.join('')}`);
      const url = new URL(path, 'https://own.example');
      expect(url.origin).toBe('https://own.example');
      expect(path.startsWith('//')).toBe(false);
      expect(returnPath(path)).toBe(path);
    }),
  );
});
