/** WebSocket frames as a client sends them, right or wrong, in bytes. RFC 6455 §5.2. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameBits {
  /** Default true. */
  readonly fin?: boolean;
  /** RSV1 to RSV3 as the bits 4, 2, 1. Default none. */
  readonly rsv?: number;
  /** Default true, as all frames of clients are; the mask is all zeros. */
  readonly isMasked?: boolean;
  /** The length that is said, where it is not that of the payload. */
  readonly length?: number;
}

/** One frame. */
export function clientFrame(opcode: number, payload: Buffer, bits: FrameBits = {}): Buffer {
  const { fin = true, rsv = 0, isMasked = true, length = payload.length } = bits;
  const mask = isMasked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const head =
    length < 126
      ? Buffer.from([first, mask | length])
      : Buffer.from([first, mask | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (length >= 126) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, isMasked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

/** The status in a Close frame that a server sent behind its 101, and nothing else; undefined without one. */
export function closeStatus(answer: Buffer): number | undefined {
  const end = answer.indexOf('\r\n\r\n');
  const frames = answer.subarray(end + 4);
  for (let at = 0; at + 2 <= frames.length;) {
    const [first = 0, length = 0] = frames.subarray(at, at + 2);
    const [size, head] =
      length < 126
        ? [length, 2]
        : length === 126
          ? [frames.readUInt16BE(at + 2), 4]
          : [Number(frames.readBigUInt64BE(at + 2)), 10];
    if ((first & 0x0f) === OPCODE.close) return frames.readUInt16BE(at + head);
    at += head + size;
  }
  return undefined;
}
