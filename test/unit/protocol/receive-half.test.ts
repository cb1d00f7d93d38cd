import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import { ReceiveHalf } from '../../../src/protocol/receive-half.ts';

const { initialWindowBytes: FIRST, minWindowBytes: LEAST, maxWindowBytes: MOST } = LIMITS;
const ROUND_TRIP_MS = 100;
const failsWith = (code: string): unknown => expect.objectContaining({ code });

/** A receiver with a budget of its own, and a peer that keeps to what it was granted. */
class Receiver {
  readonly budget: ByteBudget;
  readonly half: ReceiveHalf;
  now = 1_000;
  roundTripMs = ROUND_TRIP_MS;
  #sent = 0;

  constructor(budget = new ByteBudget(LIMITS.processWindowBytes)) {
    this.budget = budget;
    this.half = new ReceiveHalf(budget);
    this.tell();
  }

  tell(): { received: number; consumed: number; window: number } {
    return this.half.tell(this.now, this.roundTripMs);
  }

  receive(bytes: number): boolean {
    const isKept = this.half.onData(this.#sent, bytes);
    this.#sent += bytes;
    return isKept;
  }

  /** The peer sends `bytes` in steps that it may send, each `everyMs`, and each is handed on and told at once. */
  flow(bytes: number, everyMs: number): void {
    const end = this.#sent + bytes;
    while (this.#sent < end) {
      const step = Math.min(end - this.#sent, this.half.window / 2);
      this.now += everyMs;
      this.receive(step);
      this.half.consume(step);
      this.tell();
    }
  }

  /** Ticks as a link does, for `ms`. */
  idle(ms: number): void {
    for (let passed = 0; passed < ms; passed += LIMITS.pingIdleMs) {
      this.now += LIMITS.pingIdleMs;
      this.half.shrinkWhenIdle(this.now);
    }
  }
}

describe('ReceiveHalf: what may arrive', () => {
  it('takes early data before anything was told, and no byte more', () => {
    const half = new ReceiveHalf(new ByteBudget(LIMITS.processWindowBytes));
    half.onData(0, LIMITS.earlyDataBytes);
    expect(() => half.onData(LIMITS.earlyDataBytes, 1)).toThrow(failsWith('PROTO_WINDOW_EXCEEDED'));
  });

  it('takes the last byte of the window, and not the one behind it', () => {
    const { half } = new Receiver();
    half.onData(0, FIRST);
    expect(() => half.onData(FIRST, 1)).toThrow(failsWith('PROTO_WINDOW_EXCEEDED'));
  });

  it.each([1, 3, Number.MAX_SAFE_INTEGER])('refuses DATA and FIN at %i instead of 2', (offset) => {
    const { half } = new Receiver();
    half.onData(0, 2);
    expect(() => half.onData(offset, 1)).toThrow(failsWith('PROTO_BAD_OFFSET'));
    expect(() => half.onFin(offset)).toThrow(failsWith('PROTO_BAD_OFFSET'));
  });

  it('refuses anything behind FIN', () => {
    const { half } = new Receiver();
    half.onData(0, 2);
    half.onFin(2);
    expect(() => half.onData(2, 1)).toThrow(failsWith('PROTO_AFTER_FIN'));
    expect(() => half.onData(3, 1)).toThrow(failsWith('PROTO_AFTER_FIN'));
    expect(() => half.onFin(2)).toThrow(failsWith('PROTO_AFTER_FIN'));
    expect(() => half.onFin(3)).toThrow(failsWith('PROTO_AFTER_FIN'));
  });
});

describe('ReceiveHalf: what is told', () => {
  it('tells nothing while nothing was handed on', () => {
    const receiver = new Receiver();
    receiver.receive(1_000);
    expect(receiver.half.ackUrgency).toBe('none');
    expect(receiver.tell()).toEqual({ received: 1_000, consumed: 0, window: FIRST });
  });

  it('is in no hurry below a quarter of the window, and in a hurry from there on', () => {
    const { half } = new Receiver();
    half.onData(0, FIRST);
    half.consume(FIRST / 4 - 1);
    expect(half.ackUrgency).toBe('soon');
    half.consume(1);
    expect(half.ackUrgency).toBe('now');
    half.tell(0, 0);
    expect(half.ackUrgency).toBe('none');
  });

  it('is in a hurry for FIN, once all before it was handed on', () => {
    const { half } = new Receiver();
    half.onData(0, 5);
    half.onFin(5);
    half.consume(4);
    expect([half.ackUrgency, half.isAtEnd, half.isFinished]).toEqual(['soon', false, false]);
    half.consume(1);
    expect([half.ackUrgency, half.isAtEnd, half.isFinished]).toEqual(['now', true, false]);
    expect(half.tell(0, 0)).toMatchObject({ received: 6, consumed: 6 });
    expect([half.ackUrgency, half.isFinished]).toEqual(['none', true]);
    expect(half.receivedBytes).toBe(5);
  });

  it('is in a hurry for FIN when everything had been handed on before, or there was nothing', () => {
    const { half } = new Receiver();
    half.onFin(0);
    expect(half.ackUrgency).toBe('now');
    expect(half.tell(0, 0)).toMatchObject({ received: 1, consumed: 1 });
    expect(half.isFinished).toBe(true);
    expect(half.receivedBytes).toBe(0);
  });
});

describe('ReceiveHalf: the window', () => {
  it('grows to the most while the peer fills half of it within two round trips', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, ROUND_TRIP_MS);
    expect(receiver.half.window).toBe(MOST);
    expect(receiver.budget.usedBytes).toBe(MOST - LEAST);
  });

  it('grows where round trips are short too, for a peer that fills half of it within 40 ms', () => {
    const [fast, slow] = [new Receiver(), new Receiver()];
    for (const receiver of [fast, slow]) receiver.roundTripMs = 0.2;
    fast.flow(64 * MOST, 39);
    slow.flow(8 * MOST, 40);
    expect(fast.half.window).toBe(MOST);
    expect(slow.half.window).toBe(FIRST);
  });

  it('does not grow while a quarter of it waits for the application: more of them would wait longer', () => {
    const receiver = new Receiver();
    receiver.receive(FIRST / 4 + 1);
    receiver.flow(8 * MOST, 1);
    expect(receiver.half.window).toBe(FIRST);
    receiver.half.consume(1);
    receiver.flow(64 * MOST, 1);
    expect(receiver.half.window).toBe(MOST);
  });

  it('stays as it is for a peer that takes longer', () => {
    const receiver = new Receiver();
    receiver.flow(8 * MOST, 2 * ROUND_TRIP_MS);
    expect(receiver.half.window).toBe(FIRST);
  });

  it('does not take the beginning of time for the beginning of a fast transfer', () => {
    const half = new ReceiveHalf(new ByteBudget(LIMITS.processWindowBytes));
    half.onData(0, LIMITS.earlyDataBytes);
    half.consume(LIMITS.earlyDataBytes);
    half.tell(5_000, ROUND_TRIP_MS);
    expect(half.window).toBe(FIRST);
  });

  it('falls back after ten seconds without traffic, wherever the traffic had stopped', () => {
    for (const more of [0, 1, 12_345]) {
      const receiver = new Receiver();
      receiver.flow(64 * MOST, 1);
      receiver.flow(more, 1);
      receiver.idle(10_000);
      expect(receiver.half.window).toBe(MOST);
      receiver.idle(5_000);
      expect(receiver.half.window).toBe(FIRST);
      expect(receiver.budget.usedBytes).toBe(FIRST - LEAST);
    }
  });

  it('does not fall back while there is some traffic', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, 1);
    for (let i = 0; i < 10; i += 1) {
      receiver.idle(5_000);
      receiver.flow(1, 1);
    }
    expect(receiver.half.window).toBe(MOST);
  });

  it('grows again after it fell back', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, 1);
    receiver.idle(20_000);
    receiver.flow(64 * MOST, 1);
    expect(receiver.half.window).toBe(MOST);
  });

  it('its edge never moves back, also when it falls back', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, 1);
    const before = receiver.tell();
    receiver.idle(20_000);
    const after = receiver.tell();
    expect(after.consumed + after.window).toBe(before.consumed + before.window);
    receiver.receive(1_000);
    receiver.half.consume(1_000);
    const later = receiver.tell();
    expect(later.consumed + later.window).toBe(before.consumed + before.window);
    // What was granted may be used, all of it.
    expect(receiver.receive(later.window)).toBe(true);
  });

  it('never is more than the most, whatever was told', () => {
    const receiver = new Receiver();
    for (let i = 0; i < 1_000; i += 1) {
      const bytes = 1 + ((i * 7_919) % receiver.tell().window);
      receiver.now += (i * 31) % 300;
      receiver.receive(bytes);
      receiver.half.consume(bytes);
      if (i % 50 === 0) receiver.idle(20_000);
      expect(receiver.tell().window).toBeLessThanOrEqual(MOST);
    }
  });
});

describe('ReceiveHalf: the budget of all windows', () => {
  const MiB = 1024 * 1024;

  it('gets everything back', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, 1);
    receiver.receive(100);
    receiver.half.release();
    expect(receiver.budget.usedBytes).toBe(0);
    // Whoever still holds the half cannot take from it again.
    receiver.half.consume(100);
    receiver.half.tell(receiver.now, ROUND_TRIP_MS);
    receiver.half.shrinkWhenIdle(receiver.now + 60_000);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  it('gets everything back from one that ended in the middle of growing', () => {
    const receiver = new Receiver();
    receiver.flow(FIRST, ROUND_TRIP_MS);
    receiver.receive(FIRST);
    receiver.half.consume(FIRST);
    receiver.half.release();
    // An OPEN that carries the RESET of an ended stream tells its position once more.
    receiver.tell();
    expect(receiver.budget.usedBytes).toBe(0);
  });

  it('M8 is never exceeded, however many streams want to grow', () => {
    const budget = new ByteBudget(64 * MiB);
    const receivers = Array.from({ length: 200 }, () => new Receiver(budget));
    for (const receiver of receivers) {
      receiver.flow(8 * MOST, 1);
      expect(budget.freeBytes).toBeGreaterThanOrEqual(0);
    }
    for (const { half } of receivers) half.release();
    expect(budget.usedBytes).toBe(0);
  });

  it('a few greedy streams leave a first window to others', () => {
    const budget = new ByteBudget(256 * MiB);
    const greedy = Array.from({ length: 7 }, () => new Receiver(budget));
    for (const receiver of greedy) receiver.flow(64 * MOST, 1);
    expect(new Receiver(budget).half.window).toBe(FIRST);
  });

  it('thousands of idle streams leave room for the one that is busy', () => {
    const budget = new ByteBudget(256 * MiB);
    const idle = Array.from({ length: 10_000 }, () => new Receiver(budget));
    expect(idle.at(-1)?.half.window).toBe(LEAST);
    const busy = new Receiver(budget);
    busy.flow(64 * MOST, ROUND_TRIP_MS);
    expect(busy.half.window).toBe(MOST);
  });

  it('M8 a window that fell back is counted again when its old grant is used', () => {
    const budget = new ByteBudget(20 * MiB);
    const hoarders = Array.from({ length: 20 }, () => {
      const receiver = new Receiver(budget);
      // Each grows while it is alone, and lets the window fall back: the peer keeps the grant.
      receiver.flow(16 * MOST, 1);
      receiver.idle(20_000);
      return receiver;
    });
    const granted = hoarders.map((receiver) => receiver.tell().window);
    expect(granted.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(2 * budget.limitBytes);
    // All peers fill what they were granted once, and nobody reads.
    let [kept, refused] = [0, 0];
    for (const [index, receiver] of hoarders.entries()) {
      let bytes = 0;
      while (bytes < (granted[index] as number) && receiver.receive(LIMITS.minWindowBytes)) {
        bytes += LIMITS.minWindowBytes;
      }
      if (bytes === granted[index]) {
        kept += bytes;
      } else {
        // Its stream is reset, and what it had is dropped.
        receiver.half.release();
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(budget.limitBytes + hoarders.length * LEAST);
  });

  it('an old grant that is used and read is given back as it is read', () => {
    const receiver = new Receiver();
    receiver.flow(64 * MOST, 1);
    receiver.idle(20_000);
    const used = receiver.budget.usedBytes;
    receiver.receive(4 * MiB);
    expect(receiver.budget.usedBytes).toBe(4 * MiB - LEAST);
    receiver.half.consume(3 * MiB);
    expect(receiver.budget.usedBytes).toBe(MiB - LEAST);
    receiver.half.consume(MiB);
    expect(receiver.budget.usedBytes).toBe(used);
  });
});
