import { describe, expect, it } from '@jest/globals';
import {
  destinationOf,
  formatDestination,
  parseDestination,
} from '../../../src/config/destination.ts';

describe('parseDestination()', () => {
  it.each([
    ['db.internal:5432', { host: 'db.internal', port: 5432 }],
    ['DB:22', { host: 'db', port: 22 }],
    ['10.0.0.5:65535', { host: '10.0.0.5', port: 65_535 }],
    ['bücher.example:80', { host: 'xn--bcher-kva.example', port: 80 }],
    ['[2001:DB8::1]:443', { host: '2001:db8::1', port: 443 }],
  ])('reads %s', (text, destination) => {
    expect(parseDestination(text)).toEqual(destination);
    expect(parseDestination(formatDestination(destination))).toEqual(destination);
  });

  it.each([
    '',
    'db',
    'db:',
    ':22',
    'db:0',
    'db:65536',
    'db:ssh',
    '2001:db8::1:443',
    '[db]:22',
    '[fe80::1%eth0]:22',
    'ssh://db:22',
    'a/b:22',
    'a b:22',
    'me@db:22',
    'a\nb:22',
    `${'a'.repeat(254)}:22`,
  ])('refuses %j', (text) => {
    expect(() => parseDestination(text)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('destinationOf()', () => {
  it('finds none in a name that gets too long in ASCII, nor in a port that is no number', () => {
    const letters = Array.from({ length: 230 }, (_, n) => String.fromCodePoint(0x4e00 + n * 71));
    expect(destinationOf(letters.join(''), 22)).toBeUndefined();
    expect(destinationOf('db', Number.NaN)).toBeUndefined();
    expect(destinationOf('db', 1.5)).toBeUndefined();
  });
});
