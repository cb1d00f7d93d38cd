import { describe, expect, it } from '@jest/globals';
import { claimValue } from '../../../src/access/claim-value.ts';

describe('claimValue()', () => {
  const claims = { a: { b: { c: 1 }, list: [{ d: 2 }] }, 'a.b': 'exact', text: 'abc', none: null };

  it.each([
    ['text', 'abc'],
    ['a.b', 'exact'],
    ['a.b.c', 1],
    ['a.list', [{ d: 2 }]],
    ['a.list.0', undefined],
    ['a.list.length', undefined],
    ['text.length', undefined],
    ['none', null],
    ['none.x', undefined],
    ['missing', undefined],
    ['', undefined],
    ['.', undefined],
    ['__proto__', undefined],
    ['a.__proto__', undefined],
    ['constructor.name', undefined],
  ])('%s', (name, value) => {
    expect(claimValue(claims, name)).toEqual(value);
  });

  it('runs no code of a getter', () => {
    const trap = Object.defineProperty({}, 'b', { get: () => 'ran', enumerable: true });
    expect(claimValue({ a: trap }, 'a.b')).toBeUndefined();
  });
});
