import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import type { OutgoingFrame } from '../../../src/protocol/frame-channel.ts';
import {
  decodeFrame,
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodeJson,
  encodePing,
  encodeReset,
} from '../../../src/protocol/frame.ts';
import { RESET_CODE, type ResetCode } from '../../../src/protocol/reset-code.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const failsWith = (code: string): unknown => expect.objectContaining({ code });

/** A DATA frame as it travels. */
function data(id: number, offset: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([encodeDataHeader(id, offset, 0), bytes]);
}

describe('frames on the wire', () => {
  const cases: [name: string, frame: OutgoingFrame, bytes: string][] = [
    // type 01, stream 0, {"type":"x"}
    ['CONTROL', encodeJson('CONTROL', 0, { type: 'x' }), '01 00000000 7b2274797065223a2278227d'],
    // type 02, stream 1, {}
    ['OPEN', encodeJson('OPEN', 1, {}), '02 00000001 7b7d'],
    // type 03, stream 2^32 - 1, {"a":"ü"} with two bytes for the ü
    ['ACCEPT', encodeJson('ACCEPT', 0xffffffff, { a: 'ü' }), '03 ffffffff 7b2261223a22c3bc227d'],
    // type 04, stream 3, offset 4, "ab"
    ['DATA', data(3, 4, hex('6162')), '04 00000003 0000000000000004 6162'],
    // type 05, stream 3, consumed 2^32 + 2, window 16 MiB
    ['ACK', encodeAck(3, 2 ** 32 + 2, 2 ** 24), '05 00000003 0000000100000002 01000000'],
    // type 06, stream 5, offset 2^53 - 1: the last one that exists
    ['FIN', encodeFin(5, Number.MAX_SAFE_INTEGER), '06 00000005 001fffffffffffff'],
    // type 07, stream 7, code 16 ORIGIN_REFUSED, "no"
    ['RESET', encodeReset(7, 'ORIGIN_REFUSED', 'no'), '07 00000007 0010 6e6f'],
    // type 08 and 09, stream 0, eight opaque bytes
    ['PING', encodePing('PING', hex('0102030405060708')), '08 00000000 0102030405060708'],
    ['PONG', encodePing('PONG', hex('0102030405060708')), '09 00000000 0102030405060708'],
  ];

  it.each(cases)('%s has the bytes of the specification', (_name, frame, bytes) => {
    expect(frame).toEqual(hex(bytes));
  });

  it('decodeFrame() reads each type back', () => {
    const decoded = cases.map(([, frame]) => decodeFrame(frame as Uint8Array));
    expect(decoded).toEqual([
      { type: 'CONTROL', json: hex('7b2274797065223a2278227d') },
      { type: 'OPEN', id: 1, json: hex('7b7d') },
      { type: 'ACCEPT', id: 0xffffffff, json: hex('7b2261223a22c3bc227d') },
      { type: 'DATA', id: 3, offset: 4, data: hex('6162') },
      { type: 'ACK', id: 3, consumed: 2 ** 32 + 2, window: 2 ** 24 },
      { type: 'FIN', id: 5, offset: Number.MAX_SAFE_INTEGER },
      { type: 'RESET', id: 7, code: 'ORIGIN_REFUSED', reason: 'no' },
      { type: 'PING', opaque: hex('0102030405060708') },
      { type: 'PONG', opaque: hex('0102030405060708') },
    ]);
  });

  it('decodeFrame() reads from any kind of byte array, at any place in its memory', () => {
    const memory = new Uint8Array([0xff, 0xff, ...hex('06 00000005 0000000000000009'), 0xff]);
    const frame = decodeFrame(memory.subarray(2, memory.length - 1));
    expect(frame).toEqual({ type: 'FIN', id: 5, offset: 9 });
  });

  it('decodeFrame() does not copy data', () => {
    const bytes = data(1, 0, hex('616263'));
    const frame = decodeFrame(bytes);
    bytes[bytes.length - 1] = 0x64;
    expect(frame).toMatchObject({ data: hex('616264') });
  });

  it('encodeDataHeader() leaves room for the data behind it', () => {
    expect(encodeDataHeader(3, 4, 2).subarray(0, 13)).toEqual(hex('04 00000003 0000000000000004'));
    expect(encodeDataHeader(3, 4, 2)).toHaveLength(15);
  });
});

describe('decodeFrame() refuses', () => {
  it.each([
    // Shorter than the header of 5 bytes.
    ['nothing', '', 'PROTO_BAD_FRAME'],
    ['a header that is cut', '04 000000', 'PROTO_BAD_FRAME'],
    ['type 0', '00 00000001', 'PROTO_UNKNOWN_FRAME'],
    ['type 10', '0a 00000001', 'PROTO_UNKNOWN_FRAME'],
    ['type 255 on stream 0', 'ff 00000000', 'PROTO_UNKNOWN_FRAME'],
    ['CONTROL off stream 0', '01 00000001 7b7d', 'PROTO_BAD_STREAM_ID'],
    ['OPEN on stream 0', '02 00000000 7b7d', 'PROTO_BAD_STREAM_ID'],
    ['ACCEPT on stream 0', '03 00000000 7b7d', 'PROTO_BAD_STREAM_ID'],
    ['DATA on stream 0', '04 00000000 0000000000000000 61', 'PROTO_BAD_STREAM_ID'],
    ['ACK on stream 0', '05 00000000 0000000000000000 00000000', 'PROTO_BAD_STREAM_ID'],
    ['FIN on stream 0', '06 00000000 0000000000000000', 'PROTO_BAD_STREAM_ID'],
    ['RESET on stream 0', '07 00000000 0000', 'PROTO_BAD_STREAM_ID'],
    ['PING off stream 0', '08 00000001 0000000000000000', 'PROTO_BAD_STREAM_ID'],
    ['PONG off stream 0', '09 00000002 0000000000000000', 'PROTO_BAD_STREAM_ID'],
    ['DATA without data', '04 00000001 0000000000000000', 'PROTO_BAD_FRAME'],
    ['DATA with half an offset', '04 00000001 00000000', 'PROTO_BAD_FRAME'],
    ['ACK that is a byte short', '05 00000001 0000000000000000 000000', 'PROTO_BAD_FRAME'],
    ['ACK that is a byte long', '05 00000001 0000000000000000 0000000000', 'PROTO_BAD_FRAME'],
    ['FIN that is a byte short', '06 00000001 00000000000000', 'PROTO_BAD_FRAME'],
    ['FIN that is a byte long', '06 00000001 000000000000000000', 'PROTO_BAD_FRAME'],
    ['RESET with half a code', '07 00000001 00', 'PROTO_BAD_FRAME'],
    ['PING that is a byte short', '08 00000000 00000000000000', 'PROTO_BAD_FRAME'],
    ['PONG that is a byte long', '09 00000000 000000000000000000', 'PROTO_BAD_FRAME'],
    // 2^53: the first offset that a number cannot count past.
    ['DATA at 2^53', '04 00000001 0020000000000000 61', 'PROTO_BAD_FRAME'],
    ['ACK of 2^53', '05 00000001 0020000000000000 00000000', 'PROTO_BAD_FRAME'],
    ['FIN at 2^64 - 1', '06 00000001 ffffffffffffffff', 'PROTO_BAD_FRAME'],
  ])('%s', (_what, bytes, code) => {
    expect(() => decodeFrame(hex(bytes))).toThrow(failsWith(code));
  });

  it('a frame that is cut anywhere, with a code', () => {
    const whole = encodeAck(1, 2, 3);
    for (let end = 0; end < whole.length; end += 1) {
      expect(() => decodeFrame(whole.subarray(0, end))).toThrow(failsWith('PROTO_BAD_FRAME'));
    }
  });

  it('DATA one byte over the limit', () => {
    const largest = data(1, 0, Buffer.alloc(LIMITS.dataBytes));
    expect(largest).toHaveLength(LIMITS.frameBytes);
    expect(decodeFrame(largest)).toMatchObject({ type: 'DATA' });
    expect(() => decodeFrame(data(1, 0, Buffer.alloc(LIMITS.dataBytes + 1)))).toThrow(
      failsWith('PROTO_FRAME_TOO_LARGE'),
    );
  });

  it.each(['01 00000000', '02 00000001', '03 00000001'])(
    'JSON one byte over the limit behind %s',
    (head) => {
      const frame = (bytes: number): Buffer => Buffer.concat([hex(head), Buffer.alloc(bytes)]);
      expect(decodeFrame(frame(LIMITS.controlBytes))).toHaveProperty('json');
      expect(() => decodeFrame(frame(LIMITS.controlBytes + 1))).toThrow(
        failsWith('PROTO_CONTROL_TOO_LARGE'),
      );
    },
  );

  it('a reason one byte over the limit', () => {
    const frame = (bytes: number): Buffer =>
      Buffer.concat([hex('07 00000001 0000'), Buffer.alloc(bytes, 'r')]);
    expect(decodeFrame(frame(LIMITS.reasonBytes))).toHaveProperty('reason');
    expect(() => decodeFrame(frame(LIMITS.reasonBytes + 1))).toThrow(failsWith('PROTO_BAD_FRAME'));
  });
});

describe('what is sent', () => {
  it('encodeJson() refuses a message that no peer would take', () => {
    // {"a":"…"} is 8 bytes around the text.
    const message = (bytes: number): object => ({ a: 'a'.repeat(bytes - 8) });
    expect(encodeJson('OPEN', 1, message(LIMITS.controlBytes))).toHaveLength(
      LIMITS.controlBytes + 5,
    );
    expect(() => encodeJson('OPEN', 1, message(LIMITS.controlBytes + 1))).toThrow(
      failsWith('PROTO_CONTROL_TOO_LARGE'),
    );
  });

  it.each([
    ['one byte a character', 'r', 1_024],
    ['two bytes a character', 'ü', 1_024],
    ['three bytes a character, which do not divide the limit', '€', 1_023],
    ['four bytes a character', '🚪', 1_024],
  ])('encodeReset() cuts a long reason at a character: %s', (_what, character, bytes) => {
    const frame = encodeReset(1, 'STREAM_RESET', character.repeat(2_000));
    expect(frame).toHaveLength(7 + bytes);
    const { reason } = decodeFrame(frame) as { reason: string };
    expect(reason).toBe(character.repeat(bytes / Buffer.byteLength(character)));
  });

  it('a reason of exactly the limit is not cut', () => {
    const reason = 'r'.repeat(LIMITS.reasonBytes);
    expect(decodeFrame(encodeReset(1, 'STREAM_RESET', reason))).toMatchObject({ reason });
  });

  it('every reset code travels', () => {
    for (const code of Object.keys(RESET_CODE) as ResetCode[]) {
      expect(decodeFrame(encodeReset(1, code, ''))).toEqual({
        type: 'RESET',
        id: 1,
        code,
        reason: '',
      });
    }
  });

  it('a reset code of a newer peer reads as STREAM_RESET', () => {
    // RESET, stream 1, code 0xfffe
    expect(decodeFrame(hex('07 00000001 fffe'))).toMatchObject({ code: 'STREAM_RESET' });
  });

  it('a reason that is no UTF-8 is readable all the same', () => {
    expect(decodeFrame(hex('07 00000001 0002 61ff62'))).toMatchObject({ reason: 'a\uFFFDb' });
  });
});
