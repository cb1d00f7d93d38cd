import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import type { OutgoingFrame } from '../../../src/protocol/frame-channel.ts';
import { decodeFrame } from '../../../src/protocol/frame.ts';
import { RelayLane } from '../../../src/protocol/relay-lane.ts';
import { takeSlab } from '../../../src/protocol/slab.ts';
import { turn } from './turns.ts';

const ID = 7;
const BUDGET = 100_000;

function code(of: string): unknown {
  return expect.objectContaining({ code: of });
}

function lane(window = 100, budget = new ByteBudget(BUDGET)): RelayLane {
  return new RelayLane(budget, { received: 0, consumed: 0, window });
}

function show(frame: OutgoingFrame | Uint8Array | undefined): string | undefined {
  if (frame === undefined) return undefined;
  const decoded = decodeFrame(frame instanceof Uint8Array ? frame : Buffer.concat(frame));
  if (decoded.type === 'DATA') return `${decoded.offset}:${decoded.data.toString()}`;
  if (decoded.type === 'FIN') return `FIN ${decoded.offset}`;
  return decoded.type === 'ACK' ? `ACK ${decoded.consumed}+${decoded.window}` : decoded.type;
}

function frames(from: RelayLane, maxBytes = 65_536): string[] {
  const shown: string[] = [];
  for (let next = show(from.nextFrame(ID, maxBytes)); next !== undefined;) {
    shown.push(next);
    next = show(from.nextFrame(ID, maxBytes));
  }
  return shown;
}

function say(to: RelayLane, offset: number, text: string): boolean {
  return to.onData(offset, Buffer.from(text));
}

describe('RelayLane, from the sender', () => {
  it('hands on what arrives, in order, and FIN behind it', () => {
    const there = lane();
    expect([say(there, 0, 'abc'), say(there, 3, 'de')]).toEqual([true, true]);
    there.onFin(5);
    expect(frames(there)).toEqual(['0:abc', '3:de', 'FIN 5']);
    expect(there.hasFrame).toBe(false);
    expect(there.bytes).toBe(5);
  });

  it('splits what is larger than a turn allows, at any size', () => {
    for (let maxBytes = 1; maxBytes <= 7; maxBytes += 1) {
      const there = lane();
      say(there, 0, 'abcdef');
      there.onFin(6);
      const shown = frames(there, maxBytes);
      expect(shown.map((text) => text.split(':')[1] ?? '').join('')).toBe('abcdef');
      expect(shown.length).toBe(Math.ceil(6 / maxBytes) + 1);
    }
  });

  it.each([
    ['a gap', 4],
    ['what came before', 2],
  ])('refuses %s', (_, offset) => {
    const there = lane();
    say(there, 0, 'abc');
    expect(() => say(there, offset, 'd')).toThrow(code('PROTO_BAD_OFFSET'));
    expect(() => there.onFin(offset)).toThrow(code('PROTO_BAD_OFFSET'));
  });

  it('takes the last byte of the window, and FIN behind it, and not one byte more', () => {
    const there = lane(3);
    say(there, 0, 'abc');
    expect(() => say(there, 3, 'd')).toThrow(code('PROTO_WINDOW_EXCEEDED'));
    const other = lane(3);
    say(other, 0, 'abc');
    other.onFin(3);
    expect(frames(other)).toEqual(['0:abc', 'FIN 3']);
  });

  it.each(['DATA', 'FIN'])('refuses %s behind FIN', (what) => {
    const there = lane();
    there.onFin(0);
    const send = (): unknown => (what === 'FIN' ? there.onFin(1) : say(there, 1, 'a'));
    expect(send).toThrow(code('PROTO_AFTER_FIN'));
  });
});

describe('RelayLane, from the receiver', () => {
  it('takes acknowledgements of what was sent on, and tells the sender once', () => {
    const there = lane();
    say(there, 0, 'abcdef');
    frames(there);
    there.onAck(2, 50);
    there.onAck(4, 100);
    expect([show(there.nextAck(ID)), show(there.nextAck(ID))]).toEqual(['ACK 4+100', undefined]);
  });

  it('never takes back what was granted', () => {
    const there = lane(100);
    say(there, 0, 'abcdef');
    frames(there);
    there.onAck(4, 10);
    expect(show(there.nextAck(ID))).toBe('ACK 4+96');
  });

  it('refuses an ACK of what waits here still', () => {
    const there = lane();
    say(there, 0, 'abcdef');
    show(there.nextFrame(ID, 4));
    there.onAck(4, 100);
    expect(() => there.onAck(5, 100)).toThrow(code('PROTO_BAD_ACK'));
  });

  it.each([
    ['less than before', 1, 100],
    ['more than was sent', 7, 100],
    ['a window over the limit', 3, LIMITS.maxWindowBytes + 1],
  ])('refuses an ACK of %s', (_, consumed, window) => {
    const there = lane();
    say(there, 0, 'abcdef');
    frames(there);
    there.onAck(2, 100);
    expect(() => there.onAck(consumed, window)).toThrow(code('PROTO_BAD_ACK'));
  });

  it('M12 refuses an ACK behind the one of FIN: the id it would go to may be closed', () => {
    const there = lane();
    there.onFin(0);
    frames(there);
    there.onAck(1, 100);
    expect(() => there.onAck(1, 100)).toThrow(code('PROTO_BAD_ACK'));
  });

  it('is consumed with FIN, and told once the sender has the ACK', () => {
    const there = lane();
    say(there, 0, 'ab');
    there.onFin(2);
    frames(there);
    there.onAck(2, 100);
    expect([there.isConsumed, there.isTold]).toEqual([false, false]);
    there.onAck(3, 100);
    expect([there.isConsumed, there.isTold]).toEqual([true, false]);
    there.nextAck(ID);
    expect([there.isConsumed, there.isTold]).toEqual([true, true]);
  });
});

describe('RelayLane, when the receiver has told its position', () => {
  it('goes on behind early data', () => {
    const there = lane(3);
    say(there, 0, 'abc');
    frames(there);
    there.synced({ received: 3, consumed: 3, window: 2 }, true);
    expect(there.bytes).toBe(3);
    say(there, 3, 'de');
    expect(() => say(there, 5, 'f')).toThrow(code('PROTO_WINDOW_EXCEEDED'));
  });

  it('takes the place where a stream that came back goes on', () => {
    const there = lane(0);
    there.synced({ received: 1_000, consumed: 900, window: 102 }, false);
    expect(() => say(there, 0, 'a')).toThrow(code('PROTO_BAD_OFFSET'));
    say(there, 1_000, 'ab');
    expect(frames(there)).toEqual(['1000:ab']);
    there.onAck(1_002, 100);
    expect(show(there.nextAck(ID))).toBe('ACK 1002+100');
  });

  it('knows of a FIN that went another way', () => {
    const there = lane(0);
    there.synced({ received: 11, consumed: 10, window: 100, ended: true }, false);
    expect([there.isConsumed, there.hasFrame, there.bytes]).toEqual([false, false, 10]);
    expect(() => say(there, 11, 'a')).toThrow(code('PROTO_AFTER_FIN'));
    there.onAck(11, 100);
    expect(there.isConsumed).toBe(true);
  });

  it.each([
    ['more than was sent', { received: 4, consumed: 3, window: 9 }],
    ['FIN that was not sent', { received: 3, consumed: 3, window: 9, ended: true as const }],
  ])('refuses a first ACCEPT of %s', (_, position) => {
    const there = lane();
    say(there, 0, 'abc');
    frames(there);
    expect(() => there.synced(position, true)).toThrow(code('PROTO_BAD_OFFSET'));
  });
});

describe('RelayLane, in memory', () => {
  it('counts what waits, and gives it back when it was sent on or dropped', () => {
    const budget = new ByteBudget(BUDGET);
    const there = lane(100, budget);
    say(there, 0, 'abcdef');
    say(there, 6, 'g');
    expect(budget.usedBytes).toBeGreaterThan(7);
    show(there.nextFrame(ID, 3));
    const both = budget.usedBytes;
    show(there.nextFrame(ID, 3));
    expect(budget.usedBytes).toBeLessThan(both);
    there.clear();
    expect(budget.usedBytes).toBe(0);
    expect(there.nextFrame(ID, 10)).toBeUndefined();
  });

  it('says when the process has no room, and bytes alone are not what takes it', () => {
    const budget = new ByteBudget(10_000);
    const there = lane(1_000, budget);
    let taken = 0;
    while (say(there, taken, 'x')) taken += 1;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(100);
    expect(budget.usedBytes).toBeLessThanOrEqual(10_000);
  });

  it('gives a slab back once, and only when all of it was sent', async () => {
    const slab = takeSlab(1_000);
    const there = lane(2_000);
    there.onData(0, slab);
    there.nextFrame(ID, 600);
    await turn();
    const other = takeSlab(10);
    expect(other.buffer).not.toBe(slab.buffer);
    there.nextFrame(ID, 600);
    // What was handed out is read before the turn is over.
    expect(takeSlab(10).buffer).not.toBe(slab.buffer);
    await turn();
    expect(takeSlab(10).buffer).toBe(slab.buffer);
    expect(takeSlab(10).buffer).not.toBe(slab.buffer);
  });
});
