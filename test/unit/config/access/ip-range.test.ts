import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isInAny,
  isInRange,
  parseIpRange,
  plainAddress,
} from '../../../../src/config/access/ip-range.ts';
import { codeOf } from '../../../../src/core/error.ts';

describe('isInRange()', () => {
  it.each([
    ['192.0.2.0/24', '192.0.2.0', true],
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.0/24', '192.0.1.255', false],
    ['192.0.2.0/24', '::ffff:192.0.2.9', true],
    ['192.0.2.0/24', '::ffff:c000:209', true],
    ['192.0.2.0/24', '::192.0.2.9', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.128', true],
    ['10.0.0.0/9', '10.127.255.255', true],
    ['10.0.0.0/9', '10.128.0.0', false],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '192.0.2.1', false],
    ['::/0', '::ffff:192.0.2.1', false],
    ['2001:db8::/32', '2001:db8:ffff::', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['2001:DB8::1', '2001:db8:0:0::1', true],
    ['::1', '::1', true],
    ['::1', '127.0.0.1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['64:ff9b::/96', '64:ff9b::192.0.2.1', true],
    ['::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['::ffff:192.0.2.0/120', '192.0.3.9', false],
    ['192.0.2.0/24', '192.0.2', false],
    ['192.0.2.0/24', '192.0.2.1 ', false],
    ['192.0.2.0/24', '0xc0.0.2.1', false],
    ['192.0.2.0/24', '192.0.02.1', false],
    ['192.0.2.0/24', 'host', false],
    ['192.0.2.0/24', '', false],
  ])('%s and %j: %j', (range, address, expected) => {
    expect(isInRange(parseIpRange(range), address)).toBe(expected);
  });

  it('says the same as arithmetic', () => {
    const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
    const number = (bytes: readonly number[]): number =>
      bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    fc.assert(
      fc.property(octets, octets, fc.nat(32), (a, b, prefix) => {
        const size = 2 ** (32 - prefix);
        const network = Math.floor(number(a) / size) * size;
        const bytes = [24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256);
        const range = parseIpRange(`${bytes.join('.')}/${prefix}`);
        const isIn = number(b) >= network && number(b) < network + size;
        expect(isInRange(range, b.join('.'))).toBe(isIn);
      }),
    );
  });
});

describe('parseIpRange()', () => {
  it.each([
    ['192.0.2.1/24', 'write 192.0.2.0/24'],
    ['2001:db8::1/32', 'write 2001:db8::/32'],
    ['::ffff:192.0.2.1/120', 'write 192.0.2.0/24'],
    ['192.0.2.0/33', 'a prefix beyond 32'],
    ['2001:db8::/129', 'a prefix beyond 128'],
    ['::ffff:192.0.2.0/24', 'a prefix beyond 32'],
    ['192.0.2.0/', 'is not an address'],
    ['192.0.2.0/a', 'is not an address'],
    ['192.0.2.0/-1', 'is not an address'],
    ['/24', 'is not an address'],
    ['fe80::1%eth0', 'is not an address'],
    ['192.0.2.0-192.0.2.9', 'is not an address'],
    ['', 'is not an address'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseIpRange(text)).toThrow(why);
  });

  it('has a code for whatever it refuses', () => {
    const parts = fc.constantFrom(
      '192.0.2.',
      '::',
      'ffff',
      ':',
      '/',
      '1',
      '32',
      '%',
      '.',
      'é',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.array(parts).map((all) => all.join('')),
        (text) => {
          try {
            parseIpRange(text);
          } catch (error) {
            expect(codeOf(error)).toBe('CONFIG_INVALID');
          }
        },
      ),
    );
  });
});

describe('isInAny()', () => {
  it('is so where one range has it, of any number and both families', () => {
    const ranges = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'].map(parseIpRange);
    for (const address of ['10.9.9.9', '192.0.2.7', '::ffff:10.0.0.1', '2001:db8::1']) {
      expect(isInAny(ranges, address)).toBe(true);
    }
    for (const address of ['11.0.0.0', '192.0.2.6', '2001:db9::', '::10.0.0.1', '', 'office']) {
      expect(isInAny(ranges, address)).toBe(false);
    }
    expect(isInAny([], '10.0.0.1')).toBe(false);
  });

  it('compares as many bits as the prefix has', () => {
    const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const text = (value: number): string =>
      [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    const check = (address: number, network: number, prefix: number): void => {
      const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
      const range = parseIpRange(`${text((network & mask) >>> 0)}/${prefix}`);
      expect(isInAny([range], text(address))).toBe(((address ^ network) & mask) === 0);
      const neighbour = prefix === 0 ? address : (address ^ (1 << (32 - prefix))) >>> 0;
      const own = parseIpRange(`${text((address & mask) >>> 0)}/${prefix}`);
      expect(isInAny([own], text(neighbour))).toBe(prefix === 0);
    };
    fc.assert(fc.property(number, number, fc.integer({ min: 0, max: 32 }), check));
  });
});

describe('plainAddress()', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['office', undefined],
  ])('%j becomes %j', (address, plain) => {
    expect(plainAddress(address)).toBe(plain);
  });
});
