/** What is read ahead of `ws`, and what is left to it, however the bytes come. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';

import { LIMITS } from '../../../src/core/limits.ts';
import { giveBackSlab } from '../../../src/protocol/slab.ts';
import { MessageReader } from '../../../src/transport/message-reader.ts';
import { patternBytes } from '../../support/pattern.ts';

const FIN_BINARY = 0x82;

/** A WebSocket frame in bytes. `mask`: undefined for none; the payload is masked with it. */
function frame(first: number, payload: Buffer, mask: number | undefined): Buffer {
  const bit = mask === undefined ? 0 : 0x80;
  const { length } = payload;
  const size = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  size[0] = first;
  size[1] = bit | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (size.length === 4) size.writeUInt16BE(length, 2);
  if (size.length === 10) size.writeBigUInt64BE(BigInt(length), 2);
  if (mask === undefined) return Buffer.concat([size, payload]);
  const key = Buffer.alloc(4);
  key.writeUInt32BE(mask);
  const masked = payload.map((byte, index) => byte ^ (key[index % 4] as number));
  return Buffer.concat([size, key, masked]);
}

/** Reads `bytes` in chunks of these sizes, each in the same memory, and says what came out: messages, and the rest joined. */
function read(isMasked: boolean, bytes: Buffer, sizes: readonly number[]): string[] {
  const out: string[] = [];
  let other = '';
  const endOther = (): void => {
    if (other !== '') out.push(`other ${other}`);
    other = '';
  };
  const reader = new MessageReader(isMasked, {
    onMessage: (message) => {
      endOther();
      out.push(`message ${message.toString('hex')}`);
      giveBackSlab(message);
    },
    onOther: (lent) => (other += lent.toString('hex')),
  });
  const memory = Buffer.alloc(65_536);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const chunk = bytes.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
    chunk.copy(memory);
    reader.push(memory.subarray(0, chunk.length));
    memory.fill(0xee);
    at += chunk.length;
  }
  endOther();
  return out;
}

const message = (payload: Buffer): string => `message ${payload.toString('hex')}`;
const other = (...frames: Buffer[]): string => `other ${Buffer.concat(frames).toString('hex')}`;

describe.each([
  ['accepting', true, 0],
  ['dialling', false, undefined],
])('MessageReader on the %s side', (_side, isMasked, mask) => {
  const plain = (payload: Buffer): Buffer => frame(FIN_BINARY, payload, mask);

  it('gives messages of every size, whatever pieces they come in', () => {
    const sizes = [1, 125, 126, 127, 5_000, 32_768, 65_535, 65_536, LIMITS.frameBytes];
    const payloads = sizes.map((bytes) => patternBytes(bytes));
    const bytes = Buffer.concat(payloads.map(plain));
    for (const pieces of [[65_536], [16_384], [1_000, 1], [7]]) {
      expect(read(isMasked, bytes, pieces)).toEqual(payloads.map(message));
    }
  });

  it.each([
    ['a text message', 0x81],
    ['a ping', 0x89],
    ['a message with a reserved bit', 0xc2],
    ['an unknown opcode', 0x83],
  ])('leaves %s to ws, in its place', (_what, first) => {
    const payload = patternBytes(100);
    const odd = frame(first, payload, mask);
    const bytes = Buffer.concat([plain(payload), odd, plain(payload)]);
    for (const pieces of [[1], [3, 50], [1_000]]) {
      const expected = [message(payload), other(odd), message(payload)];
      expect(read(isMasked, bytes, pieces)).toEqual(expected);
    }
  });

  it('leaves a message of several frames to ws, and all that is between them', () => {
    const payload = patternBytes(300);
    const parts = [
      frame(0x02, payload, mask),
      frame(0x00, payload, mask),
      frame(0x89, Buffer.from('ping'), mask),
      // Against the rules: ws has to say so.
      plain(payload),
      frame(0x80, payload, mask),
    ];
    const bytes = Buffer.concat([...parts, plain(payload)]);
    expect(read(isMasked, bytes, [9])).toEqual([other(...parts), message(payload)]);
  });

  it('leaves what is too long or empty to ws', () => {
    const long = plain(patternBytes(LIMITS.frameBytes + 1));
    const empty = plain(Buffer.alloc(0));
    expect(read(isMasked, Buffer.concat([long, empty]), [16_384])).toEqual([other(long, empty)]);
    const huge = Buffer.from(`82${isMasked ? 'ff' : '7f'}ffffffffffffffff00000000`, 'hex');
    expect(read(isMasked, huge, [5])).toEqual([other(huge)]);
  });

  it('leaves a mask that changes something, or is missing, or too much, to ws', () => {
    const wrong = frame(FIN_BINARY, patternBytes(50), isMasked ? 0x01020304 : 0);
    const missing = frame(FIN_BINARY, patternBytes(50), isMasked ? undefined : 0x01020304);
    const bytes = Buffer.concat([wrong, missing]);
    expect(read(isMasked, bytes, [11])).toEqual([other(wrong, missing)]);
  });

  it('reads nothing behind a close message', () => {
    const close = frame(0x88, Buffer.from([0x03, 0xe8]), mask);
    const bytes = Buffer.concat([plain(Buffer.from('a')), close, plain(Buffer.from('b'))]);
    expect(read(isMasked, bytes, [4])).toEqual([message(Buffer.from('a')), other(close)]);
  });

  it('passes on any bytes, each once and in order', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2_000 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (bytes, pieces) => {
          const shown = read(isMasked, Buffer.from(bytes), pieces);
          expect(shown).toEqual(read(isMasked, Buffer.from(bytes), [2_000]));
        },
      ),
    );
  });
});

it('a message that nobody gives back is never written to again', () => {
  const messages: Buffer[] = [];
  const reader = new MessageReader(false, {
    onMessage: (taken) => messages.push(taken),
    onOther: () => undefined,
  });
  const payloads = [1, 2, 3].map((turn) => Buffer.alloc(40_000, turn));
  for (const payload of payloads) reader.push(frame(FIN_BINARY, payload, undefined));
  expect(messages.map((taken, index) => taken.equals(payloads[index] as Buffer))).toEqual([
    true,
    true,
    true,
  ]);
});
