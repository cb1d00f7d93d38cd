/** Sizes as people write them. */
import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import { formatByteSize, parseByteSize } from '../../../src/core/byte-size.ts';

describe('parseByteSize()', () => {
  it.each([
    ['0B', 0],
    ['512B', 512],
    ['1KB', 1_000],
    ['1KiB', 1_024],
    ['64 KiB', 65_536],
    ['16MiB', 16_777_216],
    ['1.5GB', 1_500_000_000],
    ['2GiB', 2_147_483_648],
    ['0.5B', 1],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each([
    '',
    '1024',
    '1K',
    '1kb',
    '1Kib',
    '1TiB',
    '-1B',
    ' 1B',
    '1B ',
    '1  B',
    '1e3B',
    '.5B',
    'B',
    '1,000B',
    '1B\n',
  ])('refuses %j', (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  });

  it('never throws, and gives whole bytes or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = parseByteSize(text);
        expect(bytes === undefined || Number.isInteger(bytes)).toBe(true);
      }),
    );
  });
});

describe('formatByteSize()', () => {
  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [1_572_864, '1.5 MiB'],
    [2 ** 40, '1024.0 GiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text);
  });

  it('is read again to within its one decimal', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), (bytes) => {
        const again = parseByteSize(formatByteSize(bytes)) ?? Number.NaN;
        expect(Math.abs(again - bytes)).toBeLessThanOrEqual(bytes * 0.06);
      }),
    );
  });
});
