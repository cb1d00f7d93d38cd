import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { Position } from '../../../src/protocol/message/stream-opening.ts';
import type { OutgoingFrame } from '../../../src/protocol/frame-channel.ts';
import { decodeFrame } from '../../../src/protocol/frame.ts';
import { SendHalf } from '../../../src/protocol/send-half.ts';
import { patternBytes } from '../../support/pattern.ts';

const BAD_ACK = expect.objectContaining({ code: 'PROTO_BAD_ACK' });

/** A frame as a short text: `0:ab` for DATA at 0, `FIN 2`. */
function show(frame: OutgoingFrame | undefined): string | undefined {
  if (frame === undefined) return undefined;
  const decoded = decodeFrame(frame instanceof Uint8Array ? frame : Buffer.concat(frame));
  if (decoded.type === 'DATA') return `${decoded.offset}:${decoded.data.toString()}`;
  return decoded.type === 'FIN' ? `FIN ${decoded.offset}` : decoded.type;
}

function half(limit: number, ...writes: string[]): SendHalf {
  const send = new SendHalf(limit);
  for (const text of writes) send.write(Buffer.from(text));
  return send;
}

/** A peer that has handed on all it received. */
function at(received: number, changes: Partial<Position> = {}): Position {
  return { received, consumed: received, window: 100, ...changes };
}

/** All frames there are now. */
function frames(send: SendHalf, maxBytes = 65_536): string[] {
  const shown: string[] = [];
  for (let frame = send.nextFrame(1, maxBytes); frame !== undefined;) {
    shown.push(show(frame) as string);
    frame = send.nextFrame(1, maxBytes);
  }
  return shown;
}

describe('SendHalf', () => {
  it('sends what was written, once, in frames of at most the size asked for', () => {
    const send = half(100, 'abc', 'defgh', 'i');
    expect(frames(send, 4)).toEqual(['0:abcd', '4:efgh', '8:i']);
    expect(send.hasFrame).toBe(false);
    send.write(Buffer.from('j'));
    expect(send.hasFrame).toBe(true);
    expect(frames(send)).toEqual(['9:j']);
  });

  it('sends nothing beyond what the peer granted', () => {
    const send = half(4, 'abcdef');
    expect(send.isWindowFull).toBe(true);
    expect(frames(send)).toEqual(['0:abcd']);
    expect(send.hasFrame).toBe(false);
    expect(send.acknowledge(2, 3)).toBe(2);
    expect(frames(send)).toEqual(['4:e']);
    send.acknowledge(5, 100);
    expect(send.isWindowFull).toBe(false);
    expect(frames(send)).toEqual(['5:f']);
  });

  it('sends FIN behind the last byte, also without a window for it', () => {
    const send = half(3, 'abc');
    send.finish();
    expect(frames(send)).toEqual(['0:abc', 'FIN 3']);
    const empty = half(0);
    empty.finish();
    expect(frames(empty)).toEqual(['FIN 0']);
  });

  it('is finished when FIN is acknowledged and not before', () => {
    const send = half(10, 'abc');
    send.finish();
    send.finish();
    frames(send);
    expect(send.isEnded).toBe(true);
    expect(send.acknowledge(3, 10)).toBe(3);
    expect(send.isFinished).toBe(false);
    expect(send.acknowledge(4, 10)).toBe(0);
    expect(send.isFinished).toBe(true);
    expect(send.unackedBytes).toBe(0);
  });

  it('keeps every byte until it is acknowledged', () => {
    const send = half(10, 'abc', 'def');
    expect(send.unackedBytes).toBe(6);
    frames(send);
    expect(send.unackedBytes).toBe(6);
    expect(send.acknowledge(4, 10)).toBe(4);
    expect(send.unackedBytes).toBe(2);
    expect(send.end).toBe(6);
  });

  it('refuses an acknowledgement of bytes that were not sent, and one that goes back', () => {
    const send = half(4, 'abcdef');
    frames(send);
    expect(() => send.acknowledge(5, 10)).toThrow(BAD_ACK);
    send.acknowledge(2, 2);
    expect(() => send.acknowledge(1, 10)).toThrow(BAD_ACK);
    // FIN was not sent either, so its position is none.
    send.finish();
    expect(() => send.acknowledge(7, 10)).toThrow(BAD_ACK);
    expect(send.acknowledge(2, 2)).toBe(0);
  });

  it('never takes back what the peer granted once', () => {
    const send = half(10, 'abcdefgh');
    send.nextFrame(1, 1);
    send.acknowledge(1, 0);
    expect(frames(send)).toEqual(['1:bcdefgh']);
  });

  it.each([
    [0, ['0:abcdef', 'FIN 6']],
    [2, ['2:cdef', 'FIN 6']],
    [3, ['3:def', 'FIN 6']],
    [5, ['5:f', 'FIN 6']],
    [6, ['FIN 6']],
    [7, []],
  ])('continues at %i where the peer says it stands', (received, expected) => {
    const send = half(10, 'abc', 'def');
    send.finish();
    expect(frames(send)).toEqual(['0:abcdef', 'FIN 6']);
    const position = at(received, { ...(received === 7 && { ended: true }) });
    expect(send.canResumeAt(position)).toBe(true);
    send.resumeAt(position);
    expect(frames(send)).toEqual(expected);
  });

  it('does not continue where the peer cannot stand', () => {
    const send = half(5, 'abcdef');
    frames(send);
    send.acknowledge(2, 3);
    expect([1, 2, 5, 6].map((received) => send.canResumeAt(at(received)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(send.canResumeAt(at(5, { consumed: 1 }))).toBe(false);
  });

  it.each([
    ['claims the end before it', 2, true, false],
    ['claims the end where the last byte is', 3, true, false],
    ['has FIN and does not say so', 4, false, false],
    ['has FIN and says so', 4, true, true],
  ])('a peer that %s: %i, %s', (_, received, ended, isRight) => {
    const send = half(10, 'abc');
    send.finish();
    frames(send);
    expect(send.canResumeAt(at(received, { ...(ended && { ended }) }))).toBe(isRight);
  });

  it('sends no more than the position grants, also where more was granted before', () => {
    const send = half(6, 'abcdef');
    frames(send);
    send.acknowledge(2, 4);
    send.resumeAt(at(2, { window: 1 }));
    expect(frames(send)).toEqual(['2:c']);
    send.acknowledge(3, 3);
    expect(frames(send)).toEqual(['3:def']);
  });

  it('continues after some of a chunk was acknowledged', () => {
    const send = half(10, 'abc', 'def');
    frames(send);
    send.acknowledge(4, 10);
    send.resumeAt(at(4));
    expect(frames(send)).toEqual(['4:ef']);
    send.resumeAt(at(5));
    send.write(Buffer.from('g'));
    expect(frames(send)).toEqual(['5:fg']);
  });

  it('tells what it drops', () => {
    const send = half(10, 'abcdef');
    send.finish();
    frames(send);
    send.acknowledge(2, 10);
    expect(send.clear()).toBe(4);
    expect(send.unackedBytes).toBe(0);
    expect(send.hasFrame).toBe(false);
    expect(send.nextFrame(1, 10)).toBeUndefined();
  });

  it('keeps nothing of the memory it was given, and puts small frames into one piece', () => {
    const send = new SendHalf(1_000_000);
    for (const bytes of [5, 600, 5_000, 16_384, 65_536]) {
      const lent = Buffer.alloc(bytes, 'a');
      send.write(lent);
      lent.fill('b');
      const frame = send.nextFrame(1, 1_000_000);
      expect(Array.isArray(frame)).toBe(bytes >= 5_000);
      expect(show(frame)).not.toContain('b');
    }
  });

  it('what was sent does not change when small writes follow into the same memory', () => {
    const send = half(100_000, 'a', 'b');
    const first = send.nextFrame(1, 5_000);
    const sent: { frame: OutgoingFrame; expected: string | undefined }[] = [
      { frame: first as OutgoingFrame, expected: show(first) },
    ];
    for (let i = 0; i < 40; i += 1) {
      for (let j = 0; j < 100; j += 1) send.write(Buffer.from(`${i} ${j} `.padEnd(60)));
      const frame = send.nextFrame(1, 6_000) as OutgoingFrame;
      sent.push({ frame, expected: show(frame) });
    }
    for (const { frame, expected } of sent) expect(show(frame)).toBe(expected);
  });

  it('a hundred thousand writes of one byte share memory', () => {
    const send = new SendHalf(1_000_000);
    const memory: Uint8Array[] = [];
    for (let i = 0; i < 100_000; i += 1) send.write(Buffer.from(new Uint8Array([i]).buffer));
    for (let frame = send.nextFrame(1, 65_536); frame !== undefined;) {
      if (!(frame instanceof Uint8Array)) memory.push(...frame);
      frame = send.nextFrame(1, 65_536);
    }
    // Kept apart they would be 100,000 pieces, and every ACK would move the rest of them.
    expect(memory.length).toBeLessThan(80);
    for (let consumed = 0; consumed <= 100_000; consumed += 10) send.acknowledge(consumed, 0);
    expect(send.unackedBytes).toBe(0);
  });

  it('behaves like one long buffer, whatever is written, sent, acknowledged and replayed', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('write' as const), n: fc.integer({ min: 1, max: 3_000 }) }),
      fc.record({ do: fc.constant('write' as const), n: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ do: fc.constant('send' as const), n: fc.integer({ min: 1, max: 6_000 }) }),
      fc.record({ do: fc.constant('ack' as const), n: fc.nat(100) }),
      fc.record({ do: fc.constant('resume' as const), n: fc.nat(100) }),
    );
    const all = patternBytes(300_000);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const send = new SendHalf(1_000);
        let [end, cursor, base, limit] = [0, 0, 0, 1_000];
        for (const { do: what, n } of steps) {
          if (what === 'write') {
            send.write(Buffer.from(all.subarray(end, end + n)));
            end += n;
          } else if (what === 'send') {
            const bytes = Math.min(n, Math.min(end, limit) - cursor);
            const frame = send.nextFrame(1, n);
            if (bytes <= 0) {
              expect(frame).toBeUndefined();
              continue;
            }
            const decoded = decodeFrame(
              frame instanceof Uint8Array ? frame : Buffer.concat(frame as Uint8Array[]),
            );
            expect(decoded).toEqual({
              type: 'DATA',
              id: 1,
              offset: cursor,
              data: all.subarray(cursor, cursor + bytes),
            });
            cursor += bytes;
          } else {
            // Somewhere between what was acknowledged and what was sent.
            const there = base + Math.floor(((cursor - base) * n) / 100);
            if (what === 'resume') {
              send.resumeAt(at(there, { consumed: base, window: limit - base }));
              cursor = there;
            } else {
              expect(send.acknowledge(there, 50_000)).toBe(there - base);
              base = there;
              limit = Math.max(limit, there + 50_000);
            }
          }
          expect(send.unackedBytes).toBe(end - base);
          expect(send.isWindowFull).toBe(end >= limit);
        }
      }),
      { numRuns: 300 },
    );
  });
});
