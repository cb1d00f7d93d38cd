/** One stream over one living link: what each end is told, and when. */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import type { ResetCode } from '../../../src/protocol/reset-code.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { patternBytes } from '../../support/pattern.ts';
import { REQUEST } from './raw-peer.ts';
import { settle, turnsUntil } from './turns.ts';
import { AppEnd, TwoEnds, type TwoEndsOptions } from './two-ends.ts';

// Some of these move very many streams; a busy machine takes its time.

/** Two processes with one link, one stream over it, and both ends of that. */
async function oneStream(
  options: TwoEndsOptions = {},
): Promise<{ ends: TwoEnds; left: AppEnd; right: AppEnd }> {
  const ends = new TwoEnds(options);
  ends.connect();
  const left = ends.open();
  await settle();
  return { ends, left, right: ends.at() };
}

/** Nothing of any stream is left anywhere, and no timer but those of the links. */
async function expectNothingLeft(ends: TwoEnds): Promise<void> {
  await settle();
  expect(ends.linkErrors).toEqual([]);
  expect(ends.countedBytes).toBe(0);
  expect([ends.opener.streamCount, ends.opener.detachedCount]).toEqual([0, 0]);
  expect([ends.accepter.streamCount, ends.accepter.detachedCount]).toEqual([0, 0]);
  for (const { opening, accepting } of ends.pairs) {
    expect([opening.streamCount, accepting.streamCount]).toEqual([0, 0]);
    if (!opening.isClosed) expect(opening.unacked.usedBytes).toBe(0);
    if (!accepting.isClosed) expect(accepting.unacked.usedBytes).toBe(0);
  }
  for (const { opening, accepting } of ends.pairs) {
    opening.close(1000, '');
    accepting.close(1000, '');
  }
  await settle();
  expect(ends.clock.pending).toBe(0);
}

describe('Stream: opening', () => {
  it('tells the other end what is wanted, and both when it is there', async () => {
    const { ends, left, right } = await oneStream();
    expect(right.stream.request).toEqual(REQUEST);
    expect(right.stream.key).toBe(left.stream.key);
    expect(left.accepts).toEqual([{}]);
    expect([left.stream.state, right.stream.state]).toEqual(['open', 'open']);
    expect([left.stream.isAttached, right.stream.isAttached]).toEqual([true, true]);
    expect(ends.seen).toEqual(['opened']);
  });

  it('tells what is known of the origin', async () => {
    const ends = new TwoEnds({ onStream: (stream) => stream.accept({ alpn: 'h2', origin: 'o' }) });
    ends.connect();
    const left = ends.open();
    expect(left.stream.state).toBe('opening');
    await settle();
    expect(left.accepts).toEqual([{ alpn: 'h2', origin: 'o' }]);
  });

  it('accepts once, and only at the accepting end', async () => {
    const { left, right } = await oneStream();
    left.stream.accept();
    right.stream.accept({ origin: 'again' });
    await settle();
    expect(left.accepts).toEqual([{}]);
    expect(left.closedWith).toBeUndefined();
  });

  it('early data and even FIN arrive before the origin is there', async () => {
    const accepted: AppEnd[] = [];
    const ends = new TwoEnds({ onStream: (stream) => accepted.push(new AppEnd(stream)) });
    ends.connect();
    const left = ends.open();
    left.write('GET / HTTP/1.0\r\n\r\n');
    left.stream.end();
    await settle();
    const [right] = accepted as [AppEnd];
    expect(right.text).toBe('GET / HTTP/1.0\r\n\r\n');
    expect(right.told).toEqual(['end']);
    expect(left.stream.state).toBe('opening');
    right.stream.accept();
    right.write('ok');
    right.stream.end();
    await settle();
    expect(left.text).toBe('ok');
    expect([left.closedWith, right.closedWith]).toEqual(['cleanly', 'cleanly']);
    await expectNothingLeft(ends);
  });

  it('sends no more than the early-data limit before the origin is there', async () => {
    const accepted: AppEnd[] = [];
    const ends = new TwoEnds({ onStream: (stream) => accepted.push(new AppEnd(stream)) });
    ends.connect();
    const left = ends.open();
    expect(left.write(patternBytes(LIMITS.earlyDataBytes + 1))).toBe(false);
    await settle();
    const [right] = accepted as [AppEnd];
    expect(right.bytes).toBe(LIMITS.earlyDataBytes);
    expect(left.told).toEqual([]);
    right.stream.accept();
    await settle();
    expect(left.told).toEqual(['writable']);
    expect(Buffer.concat(right.chunks).equals(patternBytes(LIMITS.earlyDataBytes + 1))).toBe(true);
    expect(ends.linkErrors).toEqual([]);
  });

  it('nothing leaves the accepting end before it accepts', async () => {
    const accepted: AppEnd[] = [];
    const ends = new TwoEnds({ onStream: (stream) => accepted.push(new AppEnd(stream)) });
    ends.connect();
    const left = ends.open();
    left.write('early');
    await settle();
    const [right] = accepted as [AppEnd];
    right.write('banner');
    right.stream.end();
    ends.clock.run(1_000);
    await settle();
    expect([left.text, left.told]).toEqual(['', []]);
    right.stream.accept();
    await settle();
    expect([left.text, left.told]).toEqual(['banner', ['end']]);
  });

  it('a refused origin is a reset with its code and reason', async () => {
    const ends = new TwoEnds({
      onStream: (stream) => stream.reset('ORIGIN_REFUSED', 'nobody listens on 22'),
    });
    ends.connect();
    const left = ends.open();
    left.write('early');
    await settle();
    expect(left.closedWith).toBe('ORIGIN_REFUSED');
    expect(left.stream.error?.message).toBe('nobody listens on 22');
    await expectNothingLeft(ends);
  });
});

describe('Stream: data', () => {
  it('arrives in order, both ways at once', async () => {
    const { ends, left, right } = await oneStream();
    for (let i = 0; i < 100; i += 1) {
      left.write(`l${i} `);
      right.write(`r${i} `);
    }
    await settle();
    const numbers = (letter: string): string =>
      Array.from({ length: 100 }, (_, i) => `${letter}${i} `).join('');
    expect([left.text, right.text]).toEqual([numbers('r'), numbers('l')]);
    expect([left.stream.bytesSent, right.stream.bytesReceived]).toEqual([390, 390]);
    left.stream.end();
    right.stream.end();
    await expectNothingLeft(ends);
  });

  it('writing nothing is nothing', async () => {
    const { ends, left, right } = await oneStream();
    expect(left.write('')).toBe(true);
    await settle();
    expect(right.chunks).toEqual([]);
    expect(ends.linkErrors).toEqual([]);
  });

  it.each(['left', 'right'] as const)(
    'a writer waits for a reader that does not read: %s',
    async (writer) => {
      const { ends, left, right } = await oneStream();
      const [from, to] = writer === 'left' ? [left, right] : [right, left];
      to.isReading = false;
      let written = 0;
      while (from.write(patternBytes(10_000, written))) written += 10_000;
      written += 10_000;
      await settle(40);
      expect(to.bytes).toBe(LIMITS.initialWindowBytes);
      expect(from.told).toEqual([]);
      // Reading a quarter of the window is what makes the writer go on.
      to.stream.consume(LIMITS.initialWindowBytes / 4);
      await settle();
      expect(from.told).toEqual(['writable']);
      to.isReading = true;
      to.stream.consume(to.bytes - LIMITS.initialWindowBytes / 4);
      await turnsUntil(() => to.bytes === written);
      expect(Buffer.concat(to.chunks).equals(patternBytes(written))).toBe(true);
      from.stream.reset('STREAM_CANCELLED', '');
      await expectNothingLeft(ends);
    },
  );

  it('what is read in small pieces is acknowledged within 100 ms', async () => {
    const { ends, left, right } = await oneStream();
    left.write('a');
    await settle();
    expect(right.text).toBe('a');
    expect(ends.openingBudgets.unacked.usedBytes).toBe(1);
    ends.clock.run(100);
    await settle();
    expect(ends.openingBudgets.unacked.usedBytes).toBe(0);
  });

  it('counts payload once in the meter of its process', async () => {
    const { left, right } = await oneStream();
    left.write('abc');
    await settle();
    expect([left.stream.bytesSent, right.stream.bytesReceived]).toEqual([3, 3]);
  });
});

describe('Stream: half-close', () => {
  it.each(['left', 'right'] as const)(
    '%s ends first, and the other direction goes on',
    async (first) => {
      const { ends, left, right } = await oneStream();
      const [one, other] = first === 'left' ? [left, right] : [right, left];
      one.write('question');
      one.stream.end();
      await settle();
      expect([other.text, other.told]).toEqual(['question', ['end']]);
      for (let i = 0; i < 5; i += 1) {
        other.write('answer ');
        await settle();
      }
      expect(one.text).toBe('answer '.repeat(5));
      expect(one.told).toEqual([]);
      other.stream.end();
      await settle();
      expect(one.told).toEqual(['end', 'close cleanly']);
      expect(other.told).toEqual(['end', 'close cleanly']);
      expect(ends.seen).toEqual(['opened', 'ended cleanly']);
      await expectNothingLeft(ends);
    },
  );

  it('both end at the same moment', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.end();
    right.stream.end();
    await settle();
    expect([left.told, right.told]).toEqual([
      ['end', 'close cleanly'],
      ['end', 'close cleanly'],
    ]);
    await expectNothingLeft(ends);
  });

  it('ending twice is ending once, and nothing can be written afterwards', async () => {
    const { left, right } = await oneStream();
    left.write('a');
    left.stream.end();
    left.stream.end();
    expect(left.write('b')).toBe(true);
    await settle();
    expect([right.text, right.told]).toEqual(['a', ['end']]);
    expect(left.stream.bytesSent).toBe(1);
  });

  it('is not finished before the reader has handed on the last byte', async () => {
    const { ends, left, right } = await oneStream();
    right.isReading = false;
    left.write('abc');
    left.stream.end();
    right.stream.end();
    await settle();
    expect(right.told).toEqual(['end']);
    expect(right.stream.isWindingDown).toBe(false);
    right.stream.consume(2);
    await settle();
    expect([left.closedWith, right.closedWith]).toEqual([undefined, undefined]);
    right.stream.consume(1);
    await settle();
    expect([left.closedWith, right.closedWith]).toEqual(['cleanly', 'cleanly']);
    await expectNothingLeft(ends);
  });

  it('M9 FIN one way and never the other is legal for ever: the open direction stays usable', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.end();
    await settle();
    for (let hour = 0; hour < 3; hour += 1) {
      for (let i = 0; i < 720; i += 1) {
        ends.clock.run(5_000);
        await settle(6);
      }
      right.write('still ');
      await settle();
    }
    expect(left.text).toBe('still still still ');
    expect([left.closedWith, right.closedWith]).toEqual([undefined, undefined]);
    right.stream.end();
    await expectNothingLeft(ends);
  });
});

describe('Stream: reset', () => {
  const codes: ResetCode[] = ['STREAM_RESET', 'STREAM_CANCELLED', 'ORIGIN_RESET', 'ACCESS_DENIED'];

  it.each(codes.flatMap((code) => [[code, 'left'] as const, [code, 'right'] as const]))(
    '%s from the %s ends both directions at both ends at once',
    async (code, by) => {
      const { ends, left, right } = await oneStream();
      const [one, other] = by === 'left' ? [left, right] : [right, left];
      other.isReading = false;
      one.write('lost or not');
      other.write('too');
      one.stream.reset(code, 'a reason');
      expect(one.told).toEqual([`close ${code}`]);
      await settle();
      expect(other.closedWith).toBe(code);
      expect(other.stream.error?.message).toBe('a reason');
      expect([left.stream.state, right.stream.state]).toEqual(['closed', 'closed']);
      await expectNothingLeft(ends);
    },
  );

  it('a code that this side does not know arrives as STREAM_RESET, without a reason too', async () => {
    const { left, right } = await oneStream();
    right.stream.reset('STREAM_RESET', '');
    await settle();
    expect(left.stream.error?.message).toBe('the other endpoint reset the stream');
  });

  it('resets that cross end the stream once at each end, each with its own code', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.reset('STREAM_CANCELLED', 'l');
    right.stream.reset('ORIGIN_RESET', 'r');
    await settle();
    expect([left.told, right.told]).toEqual([['close STREAM_CANCELLED'], ['close ORIGIN_RESET']]);
    await expectNothingLeft(ends);
  });

  it('a reset that crosses the last acknowledgement loses against it', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.end();
    await settle();
    right.stream.end();
    // The FIN is on its way; its acknowledgement finishes the left end, which closes the id.
    await turnsUntil(() => left.stream.state === 'closed');
    expect(left.closedWith).toBe('cleanly');
    expect(right.stream.state).toBe('open');
    right.stream.reset('ORIGIN_RESET', 'late');
    await settle();
    expect(left.told).toEqual(['end', 'close cleanly']);
    expect(right.told).toEqual(['end', 'close ORIGIN_RESET']);
    await expectNothingLeft(ends);
  });

  it('a reset that crosses FIN wins', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.end();
    right.stream.reset('ORIGIN_RESET', '');
    await settle();
    expect([left.closedWith, right.closedWith]).toEqual(['ORIGIN_RESET', 'ORIGIN_RESET']);
    await expectNothingLeft(ends);
  });

  it('from inside onData, nothing more is told', async () => {
    const { ends, left, right } = await oneStream();
    right.onData = function reset(this: AppEnd, chunk) {
      this.chunks.push(chunk);
      this.stream.reset('STREAM_CANCELLED', 'enough');
    };
    for (let i = 0; i < 5; i += 1) {
      left.write(patternBytes(70_000));
    }
    left.stream.end();
    await settle(30);
    expect(right.chunks).toHaveLength(1);
    expect(right.told).toEqual(['close STREAM_CANCELLED']);
    await expectNothingLeft(ends);
  });

  it('nothing happens to a stream that has ended', async () => {
    const { ends, left, right } = await oneStream();
    left.stream.reset('STREAM_CANCELLED', '');
    await settle();
    for (const { stream } of [left, right]) {
      stream.reset('STREAM_RESET', '');
      stream.end();
      stream.consume(5);
      expect(stream.write(Buffer.from('x'))).toBe(true);
      expect(stream.error?.code).toBe('STREAM_CANCELLED');
    }
    await settle();
    expect([left.told, right.told]).toEqual([
      ['close STREAM_CANCELLED'],
      ['close STREAM_CANCELLED'],
    ]);
    await expectNothingLeft(ends);
  });
});

describe('Stream: what streams share', () => {
  /** Streams whose readers at the accepting end do not read, each with `bytes` written. */
  async function stalled(ends: TwoEnds, count: number, bytes: number): Promise<AppEnd[]> {
    const hogs: AppEnd[] = [];
    for (let i = 0; i < count; i += 1) {
      const hog = ends.open();
      await settle();
      ends.at(ends.accepted.length - 1).isReading = false;
      for (let left = bytes; left > 0 && hog.write(Buffer.alloc(4_096)); left -= 4_096);
      hogs.push(hog);
      await settle();
    }
    return hogs;
  }

  it('M8 a stream that nobody reads stalls, and only it', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const [hog] = await stalled(ends, 1, 64 * 1024 * 1024);
    const other = ends.open();
    await settle();
    let written = 0;
    other.onWritable = () => {
      while (written < 8_000_000 && other.write(patternBytes(50_000, written))) written += 50_000;
    };
    other.onWritable();
    await turnsUntil(() => ends.at(1).bytes >= 8_000_000);
    expect(ends.at(0).bytes).toBe(LIMITS.initialWindowBytes);
    expect(hog?.told).toEqual([]);
    // What the hog was granted, and what is under way on the other one.
    expect(ends.openingBudgets.unacked.usedBytes).toBeLessThan(4_000_000);
  });

  it('M8 a few streams that nobody reads cannot take all that a process may hold', async () => {
    // The windows of the hogs are as large as the budget.
    const budget = 4 * 1024 * 1024;
    const ends = new TwoEnds({ unackedBytes: budget });
    ends.connect();
    await stalled(ends, 16, 1024 * 1024);
    const used = ends.openingBudgets.unacked.usedBytes;
    const other = ends.open();
    await settle();
    // What is left for it is as much as one of the hogs has, and a multiple of the least.
    let kept = 0;
    while (other.write(Buffer.alloc(1_024))) kept += 1_024;
    expect(kept).toBeGreaterThan(3 * LIMITS.minWindowBytes);
    expect(used + kept).toBeLessThan(budget);
    // And it is not stuck: its own acknowledgements let it go on.
    await turnsUntil(() => other.told.includes('writable'));
  });

  it('every stream may hold the least, also when everything is used up, and none is stuck', async () => {
    const ends = new TwoEnds({ unackedBytes: 0, windowBytes: 0 });
    ends.connect();
    const writers = Array.from({ length: 20 }, () => ends.open());
    await settle();
    const sent = writers.map(() => 0);
    for (const [index, writer] of writers.entries()) {
      writer.onWritable = () => {
        while ((sent[index] as number) < 200_000) {
          const at = sent[index] as number;
          sent[index] = at + 1_000;
          if (!writer.write(patternBytes(1_000, at))) return;
        }
        writer.stream.end();
      };
      writer.onWritable();
    }
    const hasAll = (): boolean => ends.accepted.every(({ bytes }) => bytes === 200_000);
    for (let i = 0; i < 2_000 && !hasAll(); i += 1) {
      await settle(4);
      ends.clock.run(100);
    }
    expect(hasAll()).toBe(true);
    for (const { chunks } of ends.accepted) {
      expect(Buffer.concat(chunks).equals(patternBytes(200_000))).toBe(true);
    }
    for (const { stream } of ends.accepted) stream.end();
    await expectNothingLeft(ends);
  });

  it('M8 a window that was granted long ago and is filled when there is no memory ends that stream only', async () => {
    const ends = new TwoEnds({ windowBytes: 8 * 1024 * 1024 });
    ends.connect();
    // The round trip, as the first PONG tells it.
    ends.clock.run(100);
    const left = ends.open();
    await settle();
    const right = ends.at();
    // Grows its window, and lets it fall back.
    let written = 0;
    left.onWritable = () => {
      while (written < 64_000_000 && left.write(Buffer.alloc(65_536))) written += 65_536;
    };
    left.onWritable();
    await turnsUntil(() => right.bytes >= 64_000_000 && right.bytes === left.stream.bytesSent);
    for (let i = 0; i < 5; i += 1) {
      ends.clock.run(5_000);
      await settle();
    }
    // Somebody else uses the memory meanwhile.
    const free = ends.acceptingBudgets.windows.freeBytes;
    ends.acceptingBudgets.windows.take(free);
    right.isReading = false;
    written = 0;
    left.onWritable();
    await settle(60);
    expect(right.closedWith).toBe('STREAM_LIMIT');
    expect(left.closedWith).toBe('STREAM_LIMIT');
    expect(ends.linkErrors).toEqual([]);
    ends.acceptingBudgets.windows.give(free);
    await expectNothingLeft(ends);
  });
});

describe('Stream: events of its own making', () => {
  it('a handler may be replaced while data waits', async () => {
    const held: Stream[] = [];
    const ends = new TwoEnds({
      onStream: (stream) => {
        held.push(stream);
        stream.handler = {
          onData: () => undefined,
          onEnd: () => undefined,
          onWritable: () => undefined,
          onClose: () => undefined,
        };
      },
    });
    ends.connect();
    const left = ends.open();
    left.write('early');
    await settle();
    const [stream] = held as [Stream];
    const right = new AppEnd(stream);
    stream.consume(5);
    stream.accept();
    left.write('later');
    await settle();
    expect(right.text).toBe('later');
  });
});
