/** M13: any bytes into the decoder are a frame or a PROTO_* error, and a frame is the bytes it came from. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { codeOf } from '../../src/core/error.ts';
import { LIMITS } from '../../src/core/limits.ts';
import {
  decodeFrame,
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodePing,
  encodeReset,
  FRAME_TYPE,
  HEADER_BYTES,
  type Frame,
} from '../../src/protocol/frame.ts';
import { RESET_CODE } from '../../src/protocol/reset-code.ts';
import { fuzzOptions } from './fuzz-runs.ts';

const codes = Object.keys(RESET_CODE) as (keyof typeof RESET_CODE)[];
const runs = fuzzOptions(20_000);

/** A frame, or the code of the PROTO_* error. Anything else that is thrown fails the test. */
function decode(bytes: Uint8Array): Frame | string {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    const code = codeOf(error);
    if (code?.startsWith('PROTO_') !== true) throw error;
    return code;
  }
}

/** The bytes of a frame again. */
function encode(frame: Frame): Buffer {
  switch (frame.type) {
    case 'CONTROL':
    case 'OPEN':
    case 'ACCEPT': {
      const header = Buffer.alloc(HEADER_BYTES);
      header[0] = FRAME_TYPE[frame.type];
      header.writeUInt32BE('id' in frame ? frame.id : 0, 1);
      return Buffer.concat([header, frame.json]);
    }
    case 'DATA':
      return Buffer.concat([encodeDataHeader(frame.id, frame.offset, 0), frame.data]);
    case 'ACK':
      return encodeAck(frame.id, frame.consumed, frame.window);
    case 'FIN':
      return encodeFin(frame.id, frame.offset);
    case 'RESET':
      return encodeReset(frame.id, frame.code, frame.reason);
    case 'PING':
    case 'PONG':
      return encodePing(frame.type, frame.opaque);
  }
}

/** A header of a type that exists, or nearly, and then anything. */
const nearly = fc
  .tuple(
    fc.integer({ min: 0, max: 11 }),
    fc.oneof(fc.constantFrom(0, 1, 2, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    fc.uint8Array({ maxLength: 40 }),
  )
  .map(([type, id, payload]) => {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = type;
    header.writeUInt32BE(id, 1);
    return Buffer.concat([header, payload]);
  });

describe('M13 the frame decoder', () => {
  it('M13 takes any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearly), (bytes) => {
        const frame = decode(bytes);
        if (typeof frame === 'string') return;
        // Unknown codes and bytes that are no text are the only things that do not come back.
        if (frame.type === 'RESET') expect(codes).toContain(frame.code);
        else expect(encode(frame).equals(bytes)).toBe(true);
      }),
      runs,
    );
  });

  it('M13 takes any length, and no data is larger than the limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 200_000 }),
        fc.nat(),
        (type, length, id) => {
          const bytes = Buffer.alloc(length, 0x01);
          if (length > 0) bytes[0] = type;
          if (length >= HEADER_BYTES) bytes.writeUInt32BE(id % 3, 1);
          const frame = decode(bytes);
          if (typeof frame === 'string') return;
          expect(length).toBeLessThanOrEqual(LIMITS.frameBytes);
        },
      ),
      { ...runs, numRuns: runs.numRuns / 10 },
    );
  });

  it('M13 reads back what the encoders write', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('DATA', 'ACK', 'FIN', 'RESET'),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.maxSafeNat(),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.tuple(fc.constantFrom(...codes), fc.string({ unit: 'grapheme', maxLength: 800 })),
        (type, id, offset, window, data, [code, reason]) => {
          if (type === 'DATA') {
            const bytes = Buffer.concat([encodeDataHeader(id, offset, 0), data]);
            expect(decode(bytes)).toEqual({ type, id, offset, data: Buffer.from(data) });
          } else if (type === 'ACK') {
            const frame = { type, id, consumed: offset, window };
            expect(decode(encodeAck(id, offset, window))).toEqual(frame);
          } else if (type === 'FIN') {
            expect(decode(encodeFin(id, offset))).toEqual({ type, id, offset });
          } else {
            const frame = decode(encodeReset(id, code, reason)) as { reason: string };
            expect(frame).toMatchObject({ type, id, code });
            // A long one is cut, at a character.
            expect(Buffer.from(reason).toString().startsWith(frame.reason)).toBe(true);
            expect(Buffer.byteLength(frame.reason)).toBeLessThanOrEqual(LIMITS.reasonBytes);
          }
        },
      ),
      runs,
    );
  });
});
