/** Streams that lose their links: the initiator's side, against a real acceptor. */
import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { patternBytes } from '../../support/pattern.ts';
import { REQUEST } from './raw-peer.ts';
import { settle, turnsUntil } from './turns.ts';
import { AppEnd, TwoEnds } from './two-ends.ts';

// Some of these move very many streams; a busy machine takes its time.

/** Both directions end, and then nothing of any stream is left anywhere. */
async function finish(ends: TwoEnds, ...apps: AppEnd[]): Promise<void> {
  for (const app of apps) app.stream.end();
  await settle();
  for (const app of apps) expect(app.closedWith).toBe('cleanly');
  await expectNothingLeft(ends);
}

async function expectNothingLeft(ends: TwoEnds): Promise<void> {
  await settle();
  expect(ends.linkErrors).toEqual([]);
  expect(ends.countedBytes).toBe(0);
  expect([ends.opener.streamCount, ends.opener.detachedCount]).toEqual([0, 0]);
  expect([ends.accepter.streamCount, ends.accepter.detachedCount]).toEqual([0, 0]);
  for (const { opening, accepting } of ends.pairs) {
    expect([opening.streamCount, accepting.streamCount]).toEqual([0, 0]);
    opening.close(1000, '');
    accepting.close(1000, '');
  }
  // The one that looks for links goes when there are none.
  await settle();
  ends.clock.run(50);
  expect(ends.clock.pending).toBe(0);
}

describe('ResumableOpener: a link breaks', () => {
  it('the stream goes on over another one, and nothing is lost or repeated', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const left = ends.open();
    await settle();
    ends.connect();
    const right = ends.at();
    for (let i = 0; i < 10; i += 1) {
      left.write(`l${i} `);
      right.write(`r${i} `);
      // Somewhere on the way of each.
      for (let turns = i % 4; turns > 0; turns -= 1) await settle(1);
      ends.pairs[i]?.there.cut();
      ends.connect();
    }
    await settle(40);
    expect(left.text).toBe('r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 ');
    expect(right.text).toBe('l0 l1 l2 l3 l4 l5 l6 l7 l8 l9 ');
    expect(ends.accepted).toHaveLength(1);
    expect(left.accepts).toHaveLength(1);
    expect(ends.seen.filter((what) => what === 'resumed')).toHaveLength(10);
    await finish(ends, left, right);
  });

  it('it waits where there is no other, and what is written meanwhile is sent later', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    there.cut();
    await settle();
    expect(left.stream.isAttached).toBe(false);
    expect([ends.opener.detachedCount, ends.accepter.detachedCount]).toEqual([1, 1]);
    expect(ends.opener.isReachable).toBe(false);
    left.write('meanwhile');
    ends.at().write('there too');
    ends.clock.run(LIMITS.detachedMs - 1);
    ends.connect();
    await settle();
    expect([left.text, ends.at().text]).toEqual(['there too', 'meanwhile']);
    expect(ends.seen).toEqual(['opened', 'detached', 'resumed']);
    await finish(ends, left, ends.at());
  });

  it('it ends with STREAM_LOST at both ends when no link came in time', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    left.write('x');
    there.cut();
    await settle();
    ends.clock.run(LIMITS.detachedMs);
    expect([left.closedWith, ends.at().closedWith]).toEqual(['STREAM_LOST', 'STREAM_LOST']);
    expect(ends.seen).toEqual(['opened', 'detached', 'ended STREAM_LOST']);
    await expectNothingLeft(ends);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'a stream is opened once, whether its OPEN or its ACCEPT is lost (cut after %i turns)',
    async (turns) => {
      const ends = new TwoEnds();
      const { there } = ends.connect();
      const left = ends.open();
      left.write('early');
      await settle(turns);
      there.cut();
      ends.connect();
      await settle();
      expect(ends.accepted).toHaveLength(1);
      expect(left.accepts).toHaveLength(1);
      expect(ends.at().text).toBe('early');
      await finish(ends, left, ends.at());
    },
  );

  it('a stream whose origin is still being dialled is not dialled again', async () => {
    const dialled: AppEnd[] = [];
    const ends = new TwoEnds({ onStream: (stream) => dialled.push(new AppEnd(stream)) });
    const { there } = ends.connect();
    const left = ends.open();
    left.write(patternBytes(10_000));
    await settle();
    there.cut();
    await settle();
    const [right] = dialled as [AppEnd];
    // The origin answers while nobody listens.
    right.stream.accept({ origin: 'o' });
    right.write('banner');
    ends.connect();
    await settle();
    expect(dialled).toHaveLength(1);
    expect(left.accepts).toEqual([{ origin: 'o' }]);
    expect([left.text, right.bytes]).toEqual(['banner', 10_000]);
    await finish(ends, left, right);
  });

  it('a stream that finished while detached still delivers its tail', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    there.cut();
    await settle();
    right.write('the tail');
    right.stream.end();
    left.stream.end();
    ends.connect();
    await settle();
    expect(left.text).toBe('the tail');
    expect([left.closedWith, right.closedWith]).toEqual(['cleanly', 'cleanly']);
    await expectNothingLeft(ends);
  });

  it('the initiator learns from what the acceptor remembers that all had arrived', async () => {
    const ends = new TwoEnds();
    const { there, back } = ends.connect();
    const left = ends.open();
    await settle();
    const right = ends.at();
    right.stream.end();
    await settle();
    left.write('all of it');
    left.stream.end();
    // What the acceptor sends from now on is lost, so its last acknowledgement is.
    back.stall();
    await turnsUntil(() => right.closedWith === 'cleanly');
    expect(left.closedWith).toBeUndefined();
    there.cut();
    ends.connect();
    await settle();
    expect(left.closedWith).toBe('cleanly');
    expect(right.text).toBe('all of it');
    await expectNothingLeft(ends);
  });

  it('an acceptor whose last acknowledgement was lost waits for its timer, and leaves nothing', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    left.stream.end();
    await settle();
    const right = ends.at();
    there.stall();
    right.write('all of it');
    right.stream.end();
    await turnsUntil(() => left.closedWith === 'cleanly');
    there.cut();
    ends.connect();
    await settle();
    expect(right.closedWith).toBeUndefined();
    expect(ends.accepter.detachedCount).toBe(1);
    for (let waited = 0; waited < LIMITS.detachedMs; waited += 5_000) {
      ends.clock.run(5_000);
      await settle();
    }
    expect(right.closedWith).toBe('STREAM_LOST');
    await expectNothingLeft(ends);
  });

  it('all streams of a broken link spread over the others', async () => {
    const ends = new TwoEnds();
    for (let i = 0; i < 4; i += 1) ends.connect();
    const lefts = Array.from({ length: 40 }, () => ends.open());
    await settle();
    expect(ends.pairs.map(({ opening }) => opening.streamCount)).toEqual([10, 10, 10, 10]);
    ends.pairs[0]?.there.cut();
    await settle();
    const counts = ends.pairs.slice(1).map(({ opening }) => opening.streamCount);
    expect(counts.toSorted((a, b) => a - b)).toEqual([13, 13, 14]);
    await finish(ends, ...lefts, ...ends.accepted);
  });
});

describe('ResumableOpener: resets', () => {
  it.each(['left', 'right'] as const)(
    'by the %s while detached is delivered on the next link',
    async (by) => {
      const ends = new TwoEnds();
      const { there } = ends.connect();
      const left = ends.open();
      await settle();
      const right = ends.at();
      there.cut();
      await settle();
      const [one, other] = by === 'left' ? [left, right] : [right, left];
      one.stream.reset('ACCESS_DENIED', 'signed out');
      expect(one.told).toEqual(['close ACCESS_DENIED']);
      expect(other.told).toEqual([]);
      ends.connect();
      await settle();
      expect(other.told).toEqual(['close ACCESS_DENIED']);
      expect(other.stream.error?.message).toBe('signed out');
      await expectNothingLeft(ends);
    },
  );

  it.each(['left', 'right'] as const)(
    'by the %s that is lost with its link is delivered on the next',
    async (by) => {
      const ends = new TwoEnds();
      const { there } = ends.connect();
      const left = ends.open();
      await settle();
      const right = ends.at();
      const [one, other] = by === 'left' ? [left, right] : [right, left];
      one.stream.reset('STREAM_RESET', 'r');
      there.cut();
      ends.connect();
      await settle();
      expect([one.told, other.told]).toEqual([['close STREAM_RESET'], ['close STREAM_RESET']]);
      await expectNothingLeft(ends);
    },
  );

  it('of a stream whose OPEN was lost starts nothing at the other end', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    left.write('POST /payment');
    left.stream.reset('STREAM_CANCELLED', '');
    there.cut();
    ends.connect();
    await settle();
    expect(ends.accepted).toEqual([]);
    await expectNothingLeft(ends);
  });

  it('whose link breaks between the OPEN and the RESET behind it arrives all the same', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    there.cut();
    await settle();
    left.stream.reset('STREAM_CANCELLED', '');
    // One frame a turn: PING, OPEN, and no more.
    const second = ends.connect();
    second.there.bytesPerTurn = 1;
    await turnsUntil(() => second.accepting.streamCount === 1);
    expect(ends.at().told).toEqual([]);
    second.there.cut();
    ends.connect();
    await settle();
    expect(ends.at().told).toEqual(['close STREAM_CANCELLED']);
    await expectNothingLeft(ends);
  });

  it('that nobody answers are given up after a while', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    there.cut();
    await settle();
    left.stream.reset('STREAM_CANCELLED', '');
    expect(ends.opener.streamCount).toBe(1);
    ends.clock.run(LIMITS.detachedMs);
    expect(ends.at().closedWith).toBe('STREAM_LOST');
    await expectNothingLeft(ends);
  });

  it('failAll() ends every stream at both ends, attached or not', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const attached = ends.open();
    await settle();
    ends.at().write('on its way when it is too late');
    ends.opener.failAll(new PosternError('REGISTER_REVOKED', 'the token was rotated'));
    await settle();
    expect(attached.told).toEqual(['close REGISTER_REVOKED']);
    // That code does not travel.
    expect(ends.at().told).toEqual(['close STREAM_CANCELLED']);
    expect(ends.at().stream.error?.message).toBe('the token was rotated');

    const detached = ends.open();
    await settle();
    ends.pairs[0]?.there.cut();
    await settle();
    const gone = new PosternError('STREAM_LOST', 'the replica is not coming back');
    ends.opener.failAll(gone);
    expect(detached.stream.error).toBe(gone);
    expect(ends.opener.streamCount).toBe(0);
    ends.clock.run(LIMITS.detachedMs);
    await expectNothingLeft(ends);
  });

  it('failAll() forgets a stream whose RESET is not answered yet', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const left = ends.open();
    await settle();
    left.stream.reset('STREAM_CANCELLED', '');
    ends.opener.failAll(new PosternError('STREAM_LOST', 'x'));
    there.cut();
    await settle();
    expect([ends.opener.streamCount, ends.opener.detachedCount]).toEqual([0, 0]);
    expect(left.told).toEqual(['close STREAM_CANCELLED']);
  });
});

describe('ResumableOpener: moving', () => {
  it.each([
    ['OPEN', 'there'],
    ['RESET', 'other'],
  ] as const)(
    'a stream moves to another link, whichever of both frames is first: %s',
    async (_first, slow) => {
      const ends = new TwoEnds();
      const { there, opening } = ends.connect();
      const left = ends.open();
      await settle();
      const right = ends.at();
      const other = ends.connect();
      await settle();
      // RESET on the old link and OPEN on the new one: one of them arrives late.
      const late = slow === 'there' ? there : other.there;
      late.stall();
      ends.opener.leaveLink(opening);
      left.write('behind it');
      await settle();
      right.write('back');
      late.resume();
      await settle();
      expect([left.text, right.text]).toEqual(['back', 'behind it']);
      expect([opening.streamCount, other.opening.streamCount]).toEqual([0, 1]);
      expect(ends.accepter.detachedCount).toBe(0);
      await finish(ends, left, right);
    },
  );

  it('many streams move in the middle of what they send, and back again', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const lefts = Array.from({ length: 20 }, () => ends.open());
    await settle();
    const sent = patternBytes(200_000);
    for (const app of [...lefts, ...ends.accepted]) app.write(sent);
    for (let i = 0; i < 6; i += 1) {
      const { opening } = ends.pairs.at(-1) as (typeof ends.pairs)[number];
      ends.connect();
      await settle(i);
      ends.opener.leaveLink(opening);
    }
    await turnsUntil(() => [...lefts, ...ends.accepted].every(({ bytes }) => bytes === 200_000));
    for (const { chunks } of [...lefts, ...ends.accepted]) {
      expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    }
    expect(ends.accepted).toHaveLength(20);
    expect(ends.pairs.slice(0, -1).map(({ opening }) => opening.streamCount)).toEqual(
      ends.pairs.slice(0, -1).map(() => 0),
    );
    await finish(ends, ...lefts, ...ends.accepted);
  });

  it('a link that is left takes no new streams', async () => {
    const ends = new TwoEnds();
    const { opening } = ends.connect();
    ends.opener.leaveLink(opening);
    expect(ends.opener.isReachable).toBe(false);
    expect(() => ends.open()).toThrow(expect.objectContaining({ code: 'STREAM_REFUSED' }));
    await expectNothingLeft(ends);
  });

  it('streams stay on a link that is left until there is another, and then move', async () => {
    const ends = new TwoEnds();
    const { opening } = ends.connect();
    const left = ends.open();
    await settle();
    ends.opener.leaveLink(opening);
    left.write('still here');
    await settle();
    expect(ends.at().text).toBe('still here');
    expect(left.stream.slot?.link).toBe(opening);
    const other = ends.connect();
    expect(left.stream.slot?.link).toBe(other.opening);
    await settle();
    await finish(ends, left, ends.at());
  });
});

describe('ResumableOpener: many streams', () => {
  it('says when there is no link', () => {
    const ends = new TwoEnds();
    expect(() => ends.open()).toThrow(expect.objectContaining({ code: 'STREAM_REFUSED' }));
    expect(ends.opener.streamCount).toBe(0);
  });

  it('opens the streams of a sudden crowd as fast as a link allows, and the others soon after', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const lefts = Array.from({ length: 8_000 }, () => ends.open());
    await settle();
    expect(ends.accepted).toHaveLength(LIMITS.opensPerSecond / 2);
    expect(ends.opener.isReachable).toBe(true);
    for (let i = 0; i < 50; i += 1) {
      ends.clock.run(50);
      await settle(4);
    }
    expect(ends.accepted).toHaveLength(8_000);
    expect(ends.linkErrors).toEqual([]);
    expect(lefts.every(({ accepts }) => accepts.length === 1)).toBe(true);
    await finish(ends, ...lefts, ...ends.accepted);
  });

  it('moves all streams of a full link to one other without flooding it', async () => {
    const ends = new TwoEnds();
    const { there } = ends.connect();
    const lefts: AppEnd[] = [];
    while (ends.opener.isReachable) {
      lefts.push(ends.open());
      if (lefts.length % 1_000 === 0) {
        ends.clock.run(400);
        await settle(4);
      }
    }
    expect(lefts).toHaveLength(LIMITS.streamsPerLink);
    there.cut();
    ends.connect();
    for (let i = 0; i < 80; i += 1) {
      await settle(4);
      ends.clock.run(50);
    }
    expect(ends.linkErrors).toEqual([]);
    expect(lefts.every(({ stream }) => stream.isAttached)).toBe(true);
    expect(ends.accepted).toHaveLength(LIMITS.streamsPerLink);
    await finish(ends, ...lefts, ...ends.accepted);
  });

  it('a stream that is opened while links have had enough for now can be written to and reset', async () => {
    const ends = new TwoEnds();
    ends.connect();
    for (let i = 0; i < LIMITS.opensPerSecond / 2; i += 1) ends.open();
    const [later, never] = [ends.open(), ends.open()];
    expect(later.stream.isAttached).toBe(false);
    later.write('early');
    later.stream.end();
    never.stream.reset('STREAM_CANCELLED', '');
    await settle();
    ends.clock.run(50);
    await settle();
    expect(ends.accepted).toHaveLength(LIMITS.opensPerSecond / 2 + 1);
    expect(ends.accepted.at(-1)?.text).toBe('early');
    expect(never.told).toEqual(['close STREAM_CANCELLED']);
  });

  it('keeps a bounded number of detached streams, and gives up the longest detached first', async () => {
    const ends = new TwoEnds();
    const closed: Stream[] = [];
    for (let i = 0; i < 3; i += 1) ends.connect();
    const streams: Stream[] = [];
    for (let i = 0; i < LIMITS.detachedStreams + 5; i += 1) {
      if (i % 500 === 0) ends.clock.run(200);
      const { stream } = ends.open();
      streams.push(stream);
      stream.handler = { ...stream.handler, onClose: () => closed.push(stream) };
    }
    for (const { there } of ends.pairs) there.cut();
    await settle();
    expect(ends.opener.detachedCount).toBe(LIMITS.detachedStreams);
    expect(closed).toHaveLength(5);
    expect(closed[0]?.error).toMatchObject({ code: 'STREAM_LOST' });
    ends.clock.run(2 * LIMITS.detachedMs);
    expect(closed).toHaveLength(streams.length);
    await expectNothingLeft(ends);
  });

  it('a stream goes on elsewhere when opening it is what ends the link', async () => {
    const ends = new TwoEnds();
    const { there, opening } = ends.connect();
    await settle();
    // The path carries nothing, so control frames pile up; the last OPEN that does not fit ends the link.
    there.stall();
    const lefts: AppEnd[] = [];
    while (!opening.isClosed) {
      if (lefts.length % 2_000 === 0) ends.clock.run(1_000);
      lefts.push(new AppEnd(ends.opener.open({ ...REQUEST, hostname: 'h'.repeat(250) })));
    }
    expect(ends.linkErrors).toEqual([expect.stringContaining('PROTO_FLOOD')]);
    const last = lefts.at(-1) as AppEnd;
    expect(last.stream.isAttached).toBe(false);
    ends.linkErrors.length = 0;
    ends.connect();
    for (let i = 0; i < 80; i += 1) {
      await settle(4);
      ends.clock.run(50);
    }
    expect(last.accepts).toHaveLength(1);
    expect(ends.accepted).toHaveLength(lefts.length);
    await finish(ends, ...lefts, ...ends.accepted);
  });
});
