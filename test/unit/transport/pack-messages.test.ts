import { describe, expect, it } from '@jest/globals';

import type { OutgoingFrame } from '../../../src/protocol/frame-channel.ts';
import { packedBytes, packMessages } from '../../../src/transport/pack-messages.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const frame = (bytes: number): Buffer => Buffer.alloc(bytes, 0xab);

/** Packs into a buffer of exactly the size that packedBytes() asks for. */
const pack = (frames: readonly OutgoingFrame[], isMasked: boolean): Buffer =>
  packMessages(frames, isMasked, Buffer.alloc(packedBytes(frames, isMasked)));

describe('packMessages()', () => {
  it('writes FIN and the binary opcode, the length, and the payload', () => {
    // 82: FIN, binary; 03: not masked, 3 bytes
    expect(hex(pack([frame(3)], false))).toBe('8203ababab');
  });

  it('adds a mask of four zero bytes for a dialling side', () => {
    // 83: masked, 3 bytes; 00000000: the mask
    expect(hex(pack([frame(3)], true))).toBe('828300000000ababab');
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
    const joined = pack([frame(bytes)], false);
    expect(joined.subarray(0, header.length / 2).toString('hex')).toBe(header);
    expect(joined.subarray(header.length / 2)).toEqual(frame(bytes));
  });

  it('writes frames one after the other, whole ones and those in pieces', () => {
    const inPieces = [frame(1), frame(0), frame(1)];
    expect(hex(pack([frame(1), inPieces, frame(0), frame(3)], false))).toBe(
      '8201ab8202abab82008203ababab',
    );
  });

  it('leaves the rest of a larger buffer alone', () => {
    const into = Buffer.alloc(16, 0x11);
    expect(hex(packMessages([frame(2)], true, into))).toBe('828200000000abab');
    expect(hex(into.subarray(8))).toBe('1111111111111111');
  });
});
