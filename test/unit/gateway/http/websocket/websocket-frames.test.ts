import { describe, expect, it } from '@jest/globals';
import {
  FrameFollower,
  closeFrame,
} from '../../../../../src/gateway/http/websocket/websocket-frames.ts';

// 81 02 6869: text "hi". 82 7e 0100 …: binary, 256 bytes. 81 82 mask …: masked text of 2 bytes. 89 00: ping.
// 82 7f 0000000000010000 …: binary, 65,536 bytes.
const FRAMES = [
  Buffer.from('81026869', 'hex'),
  Buffer.concat([Buffer.from('827e0100', 'hex'), Buffer.alloc(256, 0x81)]),
  Buffer.from('81820a0b0c0d6b6c', 'hex'),
  Buffer.from('8900', 'hex'),
  Buffer.concat([Buffer.from('827f0000000000010000', 'hex'), Buffer.alloc(65_536, 0xff)]),
];

describe('FrameFollower', () => {
  it.each([1, 2, 3, 7, 1_000, 100_000])('knows the ends of frames in chunks of %i', (size) => {
    const bytes = Buffer.concat(FRAMES);
    const ends = new Set<number>();
    let end = 0;
    for (const frame of FRAMES) ends.add((end += frame.length));
    const follower = new FrameFollower();
    const wrong: number[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size);
      follower.push(chunk);
      if (follower.isAtBoundary !== ends.has(at + chunk.length)) wrong.push(at + chunk.length);
    }
    expect(wrong).toEqual([]);
  });

  it('pushToBoundary() stops at the end of the frame under way, and takes nothing at an end', () => {
    const follower = new FrameFollower();
    expect(follower.pushToBoundary(Buffer.from('8900', 'hex'))).toBe(0);
    follower.push(Buffer.from('810468', 'hex'));
    expect(follower.isAtBoundary).toBe(false);
    expect(follower.pushToBoundary(Buffer.from('69', 'hex'))).toBe(1);
    expect(follower.pushToBoundary(Buffer.from('6a6b8900', 'hex'))).toBe(2);
    expect(follower.isAtBoundary).toBe(true);
  });
});

describe('closeFrame()', () => {
  it('is a Close with status and reason', () => {
    // 88 04: Close, 4 bytes. 03f4: 1012. 6869: "hi".
    expect(closeFrame(1012, 'hi').toString('hex')).toBe('880403f46869');
  });

  it('cuts the reason to what a control frame holds', () => {
    const frame = closeFrame(4401, 'é'.repeat(500));
    expect(frame.length).toBe(2 + 124);
    expect(frame[1]).toBe(124);
    expect(frame.subarray(4).toString()).toBe('é'.repeat(61));
  });
});
