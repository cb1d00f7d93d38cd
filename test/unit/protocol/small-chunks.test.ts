import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { SmallChunks } from '../../../src/protocol/small-chunks.ts';
import { patternBytes } from '../../support/pattern.ts';
import { settle } from './turns.ts';
import { TwoEnds } from './two-ends.ts';

/** An application that writes down what it is handed. */
class Application {
  readonly small = new SmallChunks();
  readonly got: Uint8Array[] = [];
  readonly hand = (chunk: Uint8Array): void => void this.got.push(chunk);

  push(chunk: Uint8Array): void {
    this.small.push(chunk, this.hand);
  }

  get text(): string {
    return Buffer.concat(this.got).toString();
  }
}

describe('SmallChunks', () => {
  it('hands on every piece as it comes to an application that keeps up', () => {
    const app = new Application();
    for (let i = 0; i < 1_000; i += 1) {
      const piece = Buffer.from(`${i} `);
      app.push(piece);
      expect(app.got.at(-1)).toBe(piece);
      app.small.consumed(piece.byteLength, app.hand);
    }
    expect(app.got).toHaveLength(1_000);
  });

  it('holds nothing back from one that is a few pieces behind', () => {
    const app = new Application();
    for (let i = 0; i < 32; i += 1) app.push(Buffer.from('x'));
    expect(app.got).toHaveLength(32);
  });

  it('puts small pieces together for one that has many in hand, until it has none', () => {
    const app = new Application();
    for (let i = 0; i < 32; i += 1) app.push(Buffer.from('x'));
    for (const text of ['a', 'bc', 'def']) app.push(Buffer.from(text));
    expect(app.got).toHaveLength(32);
    app.small.consumed(31, app.hand);
    expect(app.got).toHaveLength(32);
    app.small.consumed(1, app.hand);
    expect(app.got.slice(32).map(String)).toEqual(['abcdef']);
    app.small.consumed(6, app.hand);
    app.push(Buffer.from('g'));
    expect(app.got.slice(33).map(String)).toEqual(['g']);
  });

  it('keeps the order when a large piece follows small ones', () => {
    const app = new Application();
    for (let i = 0; i < 40; i += 1) app.push(Buffer.from('x'));
    app.push(Buffer.alloc(4_096, 'L'));
    app.push(Buffer.from('y'));
    expect(app.got.slice(32).map(({ byteLength }) => byteLength)).toEqual([8, 4_096]);
    app.small.flush(app.hand);
    expect(String(app.got.at(-1))).toBe('y');
  });

  it('copies what it holds back: the memory it came in is free', () => {
    const app = new Application();
    for (let i = 0; i < 32; i += 1) app.push(Buffer.from('x'));
    const piece = Buffer.from('held');
    app.push(piece);
    piece.fill('!');
    app.small.flush(app.hand);
    expect(String(app.got.at(-1))).toBe('held');
  });

  it('hands on few pieces however many came', () => {
    const app = new Application();
    for (let i = 0; i < 256 * 1024; i += 1) app.push(Buffer.from([i]));
    // 32, then blocks of 1, 2, 4, 8 and 16 KiB.
    expect(app.got.length).toBeLessThan(32 + 4 + 16);
  });

  it('loses, repeats and reorders nothing, whatever comes and is handed on', () => {
    const all = patternBytes(400_000);
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), n: fc.integer({ min: 1, max: 20 }) }),
      fc.record({ do: fc.constant('push' as const), n: fc.integer({ min: 1, max: 10_000 }) }),
      fc.record({ do: fc.constant('consume' as const), n: fc.integer({ min: 0, max: 100 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const app = new Application();
        let [sent, consumed] = [0, 0];
        for (const { do: what, n } of steps) {
          const inHand = (): number =>
            app.got.reduce((sum, { byteLength }) => sum + byteLength, 0) - consumed;
          if (what === 'push') {
            app.push(all.subarray(sent, sent + n));
            sent += n;
          } else {
            const bytes = Math.floor((inHand() * n) / 100);
            consumed += bytes;
            app.small.consumed(bytes, app.hand);
          }
        }
        app.small.flush(app.hand);
        expect(Buffer.concat(app.got).equals(all.subarray(0, sent))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('small pieces of a stream', () => {
  it('M8 of single bytes to an application that does not read few pieces are made', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    right.isReading = false;
    for (let i = 0; i < 5_000; i += 1) {
      left.write(Buffer.from([i]));
      // Each goes out as a frame of its own.
      if (i % 2 === 0) await settle(1);
    }
    await settle();
    expect(right.chunks.length).toBeLessThan(40);
    right.isReading = true;
    right.stream.consume(right.bytes);
    await settle();
    expect(right.bytes).toBe(5_000);
    expect(Buffer.concat(right.chunks).every((byte, i) => byte === i % 256)).toBe(true);
    expect(right.chunks.length).toBeLessThan(45);
  });

  it('reach the application before FIN does', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    right.isReading = false;
    for (let i = 0; i < 50; i += 1) {
      left.write(`${i} `);
      await settle(2);
    }
    left.stream.end();
    await settle();
    expect(right.told).toEqual(['end']);
    expect(right.text).toBe(Array.from({ length: 50 }, (_, i) => `${i} `).join(''));
    right.stream.consume(right.bytes);
    right.stream.end();
    await settle();
    expect(right.closedWith).toBe('cleanly');
    expect(ends.countedBytes).toBe(0);
  });

  it('that wait are dropped by a reset', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    right.isReading = false;
    for (let i = 0; i < 50; i += 1) {
      left.write('x');
      await settle(2);
    }
    expect(right.bytes).toBe(32);
    left.stream.reset('STREAM_RESET', '');
    await settle();
    right.stream.consume(32);
    expect(right.bytes).toBe(32);
    expect(right.told).toEqual(['close STREAM_RESET']);
    expect(ends.countedBytes).toBe(0);
  });

  it('an application that ends the stream while it gets them gets nothing more', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    right.isReading = false;
    for (let i = 0; i < 50; i += 1) {
      left.write('x');
      await settle(2);
    }
    right.onData = () => right.stream.reset('STREAM_CANCELLED', '');
    left.write(Buffer.alloc(8_192));
    left.stream.end();
    await settle();
    expect(right.told).toEqual(['close STREAM_CANCELLED']);
    expect(ends.linkErrors).toEqual([]);
  });
});
