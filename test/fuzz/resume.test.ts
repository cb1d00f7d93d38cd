/**
 * Any schedule of cuts and re-attaches: every byte arrives once and in order, or the stream ends with a coded error.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../src/core/clock.ts';
import type { PosternError } from '../../src/core/error.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { ByteBudget } from '../../src/protocol/byte-budget.ts';
import { Link } from '../../src/protocol/link.ts';
import { ResumableOpener } from '../../src/protocol/resumable-opener.ts';
import { StreamAccepter } from '../../src/protocol/stream-accepter.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import { memoryChannels, type MemoryChannel } from '../support/memory-channel.ts';

const REQUEST = { kind: 'tcp', hostname: 'a.test', rule: 'r', requestId: 'q' } as const;

/** Two processes with links between them that a test can cut. */
class World {
  readonly budgets = {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
  readonly opener = new ResumableOpener({ clock: systemClock, budgets: this.budgets });
  readonly accepter: StreamAccepter;
  channels: MemoryChannel[] = [];
  errors: string[] = [];
  #links: Link[] = [];

  constructor(onStream: (stream: Stream) => void) {
    this.accepter = new StreamAccepter({ clock: systemClock, budgets: this.budgets, onStream });
  }

  connect(): void {
    const [left, right] = memoryChannels();
    const link: Link = new Link({
      channel: left,
      isDialler: false,
      clock: systemClock,
      events: {
        onControl: () => undefined,
        onOpen: () => {
          throw new Error('nobody opens streams here');
        },
        onClose: (error) => {
          if (isOurFault(error)) this.errors.push(`gateway ${error.code} ${error.message}`);
          this.opener.removeLink(link);
        },
      },
    });
    const other = new Link({
      channel: right,
      isDialler: true,
      clock: systemClock,
      events: {
        onControl: () => undefined,
        onOpen: (slot, message) => this.accepter.open(slot, message),
        onClose: (error) => {
          if (isOurFault(error)) this.errors.push(`connector ${error.code} ${error.message}`);
        },
      },
    });
    link.trust();
    other.trust();
    this.#links.push(link, other);
    this.opener.addLink(link);
    this.channels.push(left);
  }

  cut(index: number): void {
    const [channel] = this.channels.splice(index % Math.max(1, this.channels.length), 1);
    channel?.cut();
  }

  leave(index: number): void {
    const link = this.#links[(index % (this.#links.length / 2)) * 2];
    if (link !== undefined) this.opener.leaveLink(link);
  }

  close(): void {
    for (const channel of this.channels) channel.cut();
  }
}

const isOurFault = (error: PosternError | undefined): error is PosternError =>
  error !== undefined && error.code !== 'LINK_CLOSED';
const bytes = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed}-${size}-`);
const sha256 = (chunks: Buffer[]): string =>
  createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
const turn = async (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Writes `payload` in pieces, minding back-pressure, and ends. Returns what arrives, when both directions are done. */
function drive(
  stream: Stream,
  payload: Buffer,
  pieceBytes: number,
): { received: Buffer[]; error: Promise<string | undefined> } {
  const received: Buffer[] = [];
  let at = 0;
  const writeOn = (): void => {
    while (at < payload.length) {
      const piece = payload.subarray(at, at + pieceBytes);
      at += piece.length;
      if (!stream.write(piece) && at < payload.length) return;
    }
    stream.end();
  };
  const error = new Promise<string | undefined>((resolve) => {
    stream.handler = {
      onData(chunk) {
        received.push(Buffer.from(chunk));
        setImmediate(() => stream.consume(chunk.byteLength));
      },
      onEnd: () => undefined,
      onWritable: writeOn,
      onClose: (why) => resolve(why?.code),
    };
    writeOn();
  });
  return { received, error };
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turns' as const), n: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), n: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), n: fc.nat(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), n: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cutAll' as const), n: fc.nat(0) }) },
);

describe('resuming under any schedule of cuts', () => {
  it('delivers every byte once and in order, both ways', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        fc.nat(600_000),
        fc.nat(600_000),
        fc.integer({ min: 64, max: 70_000 }),
        fc.integer({ min: 1, max: 5 }),
        async (steps, upBytes, downBytes, pieceBytes, streams) => {
          const atAcceptor = { streams: [] as Stream[], received: [] as Buffer[][] };
          const world = new World((stream) => {
            atAcceptor.streams.push(stream);
            atAcceptor.received.push(drive(stream, bytes(downBytes, 2), pieceBytes).received);
            setImmediate(() => stream.accept());
          });
          world.connect();
          const opened = Array.from({ length: streams }, () => world.opener.open(REQUEST));
          const atInitiator = opened.map((stream) => drive(stream, bytes(upBytes, 1), pieceBytes));
          for (const { do: what, n } of steps) {
            if (what === 'cut') world.cut(n);
            if (what === 'cutAll') while (world.channels.length > 0) world.cut(0);
            if (what === 'connect') world.connect();
            if (what === 'leave') world.leave(n);
            if (what === 'turns') for (let i = 0; i < n; i += 1) await turn();
          }
          world.connect();
          for (const ended of atInitiator) {
            expect(await ended.error).toBeUndefined();
            expect(sha256(ended.received)).toBe(sha256([bytes(downBytes, 2)]));
          }
          expect(world.errors).toEqual([]);
          expect(world.opener.streamCount).toBe(0);
          expect(atAcceptor.streams).toHaveLength(streams);
          for (const received of atAcceptor.received) {
            expect(sha256(received)).toBe(sha256([bytes(upBytes, 1)]));
          }
          // The last acknowledgement may have died with its link. Then the acceptor waits for one that never comes, with
          // all bytes of both directions delivered; otherwise nothing is left.
          await turn();
          await turn();
          const left = [...atAcceptor.streams].filter((stream) => stream.state !== 'closed');
          expect(left.filter((stream) => !stream.isWindingDown)).toEqual([]);
          if (left.length === 0) expect(world.budgets.unacked.usedBytes).toBe(0);
          world.close();
        },
      ),
      { numRuns: 300, endOnFailure: true, timeout: 4000 },
    );
  }, 120_000);
});
