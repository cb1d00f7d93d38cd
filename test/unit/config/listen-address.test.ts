import { describe, expect, it } from '@jest/globals';
import {
  addressesOf,
  clashes,
  formatListenAddress,
  formatListenRange,
  parseListenAddress,
  parseListenRange,
} from '../../../src/config/listen-address.ts';

describe('parseListenAddress()', () => {
  it.each([
    ['127.0.0.1:8443', { host: '127.0.0.1', port: 8443 }],
    ['[::1]:443', { host: '::1', port: 443 }],
    [':0', { host: '', port: 0 }],
    ['*:443', { host: '', port: 443 }],
    ['LocalHost:65535', { host: 'localhost', port: 65_535 }],
    ['web-1.internal:80', { host: 'web-1.internal', port: 80 }],
  ])('reads %j', (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each([
    '',
    '8443',
    ':',
    'a',
    'a:',
    '::1:80',
    '[::1]',
    '[1.2.3.4]:80',
    '[]:80',
    ':65536',
    '300.0.0.1:80',
    '1.2:80',
    'a b:80',
    '-a:80',
    'http://a:80',
    'a:80 ',
  ])('refuses %j', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });

  it('reads what formatListenAddress() writes', () => {
    for (const address of [
      { host: '::1', port: 1 },
      { host: '', port: 2 },
      { host: '10.0.0.1', port: 3 },
    ]) {
      expect(parseListenAddress(formatListenAddress(address))).toEqual(address);
    }
  });
});

describe('parseListenRange()', () => {
  it.each([
    ['127.0.0.1:8443', { host: '127.0.0.1', port: 8443 }],
    [':5000-5099', { host: '', port: 5000, lastPort: 5099 }],
    ['[::1]:65534-65535', { host: '::1', port: 65_534, lastPort: 65_535 }],
    ['my-host:1-2', { host: 'my-host', port: 1, lastPort: 2 }],
  ])('reads %j, which formatListenRange() writes', (text, range) => {
    expect(parseListenRange(text)).toEqual(range);
    expect(formatListenRange(range)).toBe(text);
  });

  it.each([':0-9', ':10-10', ':10-9', ':65535-65536', ':1-', ':-2', '1-2', ':1-2-3', 'a-b', ''])(
    'refuses %j',
    (text) => {
      expect(parseListenRange(text)).toBeUndefined();
    },
  );

  it('stands for each of its addresses', () => {
    expect(addressesOf({ host: 'a', port: 7, lastPort: 9 })).toEqual(
      [7, 8, 9].map((port) => ({ host: 'a', port })),
    );
  });
});

describe('clashes()', () => {
  it.each([
    ['127.0.0.1:80', '127.0.0.1:80', true],
    ['127.0.0.1:80', '127.0.0.2:80', false],
    ['127.0.0.1:80', '127.0.0.1:81', false],
    ['127.0.0.1:0', '127.0.0.1:0', false],
    [':80', '127.0.0.1:80', true],
    ['[::1]:80', ':80', true],
    ['[::]:80', '127.0.0.1:80', true],
    ['0.0.0.0:80', '127.0.0.1:80', true],
    ['0.0.0.0:80', '[::1]:80', false],
    ['0.0.0.0:80', ':80', true],
    [':80-90', '127.0.0.1:85', true],
    [':80-90', ':90-99', true],
    [':80-90', ':91-99', false],
    ['10.0.0.1:80-90', '10.0.0.2:80-90', false],
  ])('%s and %s: %j', (a, b, isClash) => {
    const [left, right] = [parseListenRange(a), parseListenRange(b)];
    if (left === undefined || right === undefined) throw new Error('The case is not an address');
    expect(clashes(left, right)).toBe(isClash);
    expect(clashes(right, left)).toBe(isClash);
  });
});
