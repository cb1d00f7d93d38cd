import { describe, expect, it } from '@jest/globals';

import { packMessages } from '../../../src/transport/pack-messages.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const frame = (bytes: number): Buffer => Buffer.alloc(bytes, 0xab);

describe('packMessages()', () => {
  it('writes FIN and the binary opcode, the length, and the payload', () => {
    // 82: FIN, binary; 03: not masked, 3 bytes
    expect(packMessages([frame(3)], false).map(hex)).toEqual(['8203ababab']);
  });

  it('adds a mask of four zero bytes for a dialling side', () => {
    // 83: masked, 3 bytes; 00000000: the mask
    expect(packMessages([frame(3)], true).map(hex)).toEqual(['828300000000ababab']);
  });

  it.each([
    // The length of up to 125 bytes is in the second byte, of up to 65,535 in two more, of any other in eight more.
    [0, '8200'],
    [125, '827d'],
    [126, '827e007e'],
    [4_095, '827e0fff'],
    [4_096, '827e1000'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
    [65_549, '827f000000000001000d'],
  ])('writes the header for %i bytes', (bytes, header) => {
    const joined = Buffer.concat(packMessages([frame(bytes)], false));
    expect(joined.subarray(0, header.length / 2).toString('hex')).toBe(header);
    expect(joined.subarray(header.length / 2)).toEqual(frame(bytes));
  });

  it('makes one buffer of many small frames', () => {
    expect(packMessages([frame(1), frame(0), frame(2)], false).map(hex)).toEqual([
      '8201ab82008202abab',
    ]);
  });

  it('passes large frames on without copying them, in order', () => {
    const large = frame(65_536);
    const buffers = packMessages([frame(1), large, frame(2), large, large], false);
    expect(buffers.map((buffer) => (buffer === large ? 'large' : hex(buffer)))).toEqual([
      '8201ab827f0000000000010000',
      'large',
      '8202abab827f0000000000010000',
      'large',
      '827f0000000000010000',
      'large',
    ]);
  });
});
