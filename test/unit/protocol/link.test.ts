import { describe, expect, it } from '@jest/globals';

import { PosternError } from '../../../src/core/error.ts';
import { LIMITS } from '../../../src/core/limits.ts';
import type { StreamFrame } from '../../../src/protocol/frame.ts';
import {
  decodeFrame,
  encodeAck,
  encodeFin,
  encodeJson,
  encodePing,
  encodeReset,
} from '../../../src/protocol/frame.ts';
import { CLOSE_CODE } from '../../../src/protocol/close-code.ts';
import type { Slot } from '../../../src/protocol/slot.ts';
import { holder, openMessage, RawPeer } from './raw-peer.ts';
import { settle } from './turns.ts';

const BYTES = Buffer.from('0102030405060708', 'hex');

describe('Link: ids', () => {
  it('the dialler opens odd ids, the accepter even ones, both upwards', async () => {
    for (const [isDialler, ids] of [
      [true, [1, 3, 5]],
      [false, [2, 4, 6]],
    ] as const) {
      const peer = new RawPeer({ isDialler });
      const slots = ids.map(() => peer.link.open(holder(), openMessage()));
      expect(slots.map(({ id }) => id)).toEqual(ids);
      expect(await peer.received()).toMatchObject(ids.map((id) => ({ type: 'OPEN', id })));
    }
  });

  it('takes the ids of the peer upwards, with gaps', async () => {
    const peer = new RawPeer();
    for (const id of [1, 5, 2 ** 32 - 1]) await peer.open(id);
    expect(peer.opened.map(({ id }) => id)).toEqual([1, 5, 2 ** 32 - 1]);
    expect(peer.endedWith).toBeUndefined();
  });

  it.each([
    ['an id of our own parity, when we accepted', false, 2],
    ['an id of our own parity, when we dialled', true, 3],
  ])('refuses %s', async (_what, isDialler, id) => {
    const peer = new RawPeer({ isDialler });
    await peer.open(id);
    expect(peer.endedWith).toBe('PROTO_BAD_STREAM_ID');
    expect(peer.opened).toEqual([]);
  });

  it.each([5, 3, 1])(
    'M5 reuse or decrease of a stream id (%i after 5) ends the link with PROTO_BAD_STREAM_ID',
    async (id) => {
      const peer = new RawPeer();
      await peer.open(5);
      await peer.open(id);
      expect(peer.endedWith).toBe('PROTO_BAD_STREAM_ID');
      expect(peer.channel.closedWith).toMatchObject({ code: CLOSE_CODE.protocol });
      expect(peer.channel.closedWith?.reason).toMatch(/^PROTO_BAD_STREAM_ID/u);
    },
  );

  it('M5 an id is not used again after it was closed', async () => {
    const peer = new RawPeer();
    await peer.open(1);
    peer.opened[0]?.close();
    await peer.open(1);
    expect(peer.endedWith).toBe('PROTO_BAD_STREAM_ID');
  });

  it('hands the frames of an id to its holder, and to no other', async () => {
    const frames: StreamFrame[] = [];
    const peer = new RawPeer({
      onOpen: (slot) => holder(slot.id === 3 ? { onFrame: (frame) => frames.push(frame) } : {}),
    });
    await peer.open(1);
    await peer.open(3);
    await peer.send(encodeAck(1, 0, 1), encodeFin(3, 0), encodeAck(3, 0, 2));
    expect(frames).toEqual([
      { type: 'FIN', id: 3, offset: 0 },
      { type: 'ACK', id: 3, consumed: 0, window: 2 },
    ]);
  });

  it.each(['never opened', 'closed'])(
    'M5 DATA, ACK, FIN or ACCEPT on a stream that is %s ends the link with PROTO_UNKNOWN_STREAM',
    async (what) => {
      // DATA at 0 with one byte, ACK, FIN, ACCEPT
      for (const type of ['04', '05', '06', '03']) {
        const peer = new RawPeer();
        if (what === 'closed') {
          await peer.open(1);
          peer.opened[0]?.close();
        }
        const payload = { '04': '61', '05': '00000000', '06': '', '03': '' }[type] as string;
        const json = type === '03' ? '7b7d' : '0000000000000000';
        await peer.send(`${type}00000001${json}${payload}`);
        expect(peer.endedWith).toBe('PROTO_UNKNOWN_STREAM');
      }
    },
  );

  it('M5 RESET for a stream that was never opened ends the link, by either side', async () => {
    for (const id of [1, 2]) {
      const peer = new RawPeer();
      await peer.send(encodeReset(id, 'STREAM_RESET', ''));
      expect(peer.endedWith).toBe('PROTO_UNKNOWN_STREAM');
    }
  });

  it('RESET for a closed stream is answered, so that the peer learns that it is closed', async () => {
    const peer = new RawPeer();
    const ours = peer.link.open(holder(), openMessage());
    await peer.open(1);
    ours.close();
    peer.opened[0]?.close();
    await peer.received();
    await peer.send(encodeReset(1, 'STREAM_RESET', 'x'), encodeReset(2, 'STREAM_CANCELLED', ''));
    expect(await peer.received()).toMatchObject([
      { type: 'RESET', id: 1, reason: '' },
      { type: 'RESET', id: 2, reason: '' },
    ]);
    expect(peer.endedWith).toBeUndefined();
  });
});

describe('Link: before it is trusted', () => {
  it('takes CONTROL, PING and PONG, and says hello', async () => {
    const peer = new RawPeer({ isTrusted: false });
    const hello = {
      type: 'hello',
      versions: [1],
      features: [],
      software: 's',
      process: 'p',
    } as const;
    peer.link.sendControl(hello);
    await peer.send(
      encodeJson('CONTROL', 0, hello),
      encodePing('PING', BYTES),
      encodePing('PONG', BYTES),
    );
    expect(peer.controls).toEqual([hello]);
    expect((await peer.received()).map(({ type }) => type)).toEqual(['CONTROL', 'PONG']);
    expect(peer.endedWith).toBeUndefined();
  });

  it.each([
    ['OPEN', encodeJson('OPEN', 1, openMessage())],
    ['ACCEPT', encodeJson('ACCEPT', 1, {})],
    ['ACK', encodeAck(1, 0, 0)],
    ['FIN', encodeFin(1, 0)],
    ['RESET', encodeReset(1, 'STREAM_RESET', '')],
    ['DATA', Buffer.from('0400000001000000000000000061', 'hex')],
  ])('%s ends the link with PROTO_UNEXPECTED', async (_type, frame) => {
    const peer = new RawPeer({ isTrusted: false });
    await peer.send(frame);
    expect(peer.endedWith).toBe('PROTO_UNEXPECTED');
    expect(peer.opened).toEqual([]);
  });
});

describe('Link: control messages', () => {
  it('passes over types that it does not know', async () => {
    const peer = new RawPeer();
    await peer.send(encodeJson('CONTROL', 0, { type: 'later' }));
    expect(peer.controls).toEqual([]);
    expect(peer.endedWith).toBeUndefined();
  });

  it('what a holder or listener throws as PROTO_* ends the link', async () => {
    const peer = new RawPeer({
      onOpen: () =>
        holder({
          onFrame: () => {
            throw new PosternError('PROTO_BAD_OFFSET', 'wrong');
          },
        }),
    });
    await peer.open(1);
    await peer.send(encodeFin(1, 0));
    expect(peer.endedWith).toBe('PROTO_BAD_OFFSET');
  });

  it('answers PING at once with the same bytes', async () => {
    const peer = new RawPeer();
    await peer.send(encodePing('PING', BYTES));
    expect(await peer.received()).toEqual([{ type: 'PONG', opaque: BYTES }]);
  });

  it('measures the round trip, and says until when it is an assumption', async () => {
    const peer = new RawPeer();
    expect(peer.link.measuredRoundTripMs).toBeUndefined();
    const [opaque] = await peer.pings();
    peer.clock.run(42);
    await peer.send(encodePing('PONG', opaque as Buffer));
    expect(peer.link.measuredRoundTripMs).toBe(42);
    expect(peer.link.roundTripMs).toBe(42);
  });
});

describe('Link: acknowledgements', () => {
  it('one that is due soon goes out within 100 ms, together with others, and leaves no timer', async () => {
    const peer = new RawPeer({
      onOpen: (slot) => holder({ nextAck: () => encodeAck(slot.id, 0, 7) }),
    });
    const timers = peer.clock.pending;
    await peer.open(1);
    await peer.open(3);
    for (const slot of peer.opened) slot.ackSoon();
    expect(peer.clock.pending).toBe(timers + 1);
    peer.clock.run(99);
    expect(await peer.received()).toEqual([]);
    peer.clock.run(1);
    expect(await peer.received()).toMatchObject([
      { type: 'ACK', id: 1 },
      { type: 'ACK', id: 3 },
    ]);
    expect(peer.clock.pending).toBe(timers);
  });

  it('many streams that come and go set one timer', async () => {
    const peer = new RawPeer();
    const timers = peer.clock.pending;
    for (let id = 1; id < 200; id += 2) {
      await peer.send(encodeJson('OPEN', id, openMessage()));
      peer.opened.at(-1)?.ackSoon();
      peer.opened.at(-1)?.close();
    }
    expect(peer.clock.pending).toBe(timers + 1);
  });
});

describe('Link: its end', () => {
  it('tells every holder, then the listener, once', async () => {
    const told: string[] = [];
    const peer = new RawPeer({
      onOpen: (slot) => holder({ onLinkClosed: () => told.push(`peer's ${slot.id}`) }),
    });
    await peer.open(1);
    peer.link.open(holder({ onLinkClosed: (slot) => told.push(`our ${slot.id}`) }), openMessage());
    peer.channel.cut();
    await settle();
    peer.link.close(1000, '');
    peer.link.terminate(new PosternError('LINK_CLOSED', 'again'));
    await settle();
    expect(told).toEqual(["peer's 1", 'our 2']);
    expect(peer.closed).toHaveLength(1);
    expect(peer.endedWith).toBe('LINK_CLOSED');
    expect(peer.link.isClosed).toBe(true);
    expect(peer.link.streamCount).toBe(0);
  });

  it('leaves no timer, however it ends', async () => {
    for (const end of ['close', 'terminate', 'cut', 'fail'] as const) {
      const peer = new RawPeer();
      await peer.open(1);
      peer.opened[0]?.ackSoon();
      if (end === 'close') peer.link.close(1000, '');
      if (end === 'terminate') peer.link.terminate(new PosternError('LINK_CLOSED', ''));
      if (end === 'cut') peer.channel.cut();
      if (end === 'fail') await peer.send('ff00000000');
      await settle();
      expect(peer.clock.pending).toBe(0);
      expect(peer.closed).toHaveLength(1);
    }
  });

  it('close() sends what was said before, and tells no error', async () => {
    const peer = new RawPeer();
    peer.link.sendControl({ type: 'refused', code: 'c', message: 'm', permanent: true });
    peer.link.close(CLOSE_CODE.refused, 'refused');
    expect(await peer.received()).toMatchObject([{ type: 'CONTROL' }]);
    expect(peer.closed).toEqual([undefined]);
    expect(peer.channel.closedWith).toEqual({ code: 4401, reason: 'refused' });
  });

  it('reads nothing behind a frame that ended it', async () => {
    const peer = new RawPeer();
    await peer.send('ff00000000', encodeJson('OPEN', 1, openMessage()), 'ff00000000');
    expect(peer.endedWith).toBe('PROTO_UNKNOWN_FRAME');
    expect(peer.closed).toHaveLength(1);
    expect(peer.opened).toEqual([]);
  });

  it('M10 a peer that never answers is dead after fifteen seconds, and told so', async () => {
    const peer = new RawPeer();
    peer.clock.run(LIMITS.deadPeerMs);
    await settle();
    expect(peer.endedWith).toBe('LINK_DEAD');
    expect(peer.channel.closedWith?.code).toBe(CLOSE_CODE.timeout);
    expect(peer.clock.pending).toBe(0);
  });

  it('M10 any frame keeps the link alive, also from a peer that never answers PING', async () => {
    const peer = new RawPeer();
    await peer.open(1);
    for (let i = 0; i < 10; i += 1) {
      peer.clock.run(LIMITS.deadPeerMs - 1);
      await peer.send(encodeAck(1, 0, 0));
    }
    expect(peer.endedWith).toBeUndefined();
  });

  it('M14 a link ends as soon as the process runs again after an hour', async () => {
    const peer = new RawPeer();
    await peer.open(1);
    peer.clock.freeze(3_600_000);
    peer.clock.run(0);
    await settle();
    expect(peer.endedWith).toBe('LINK_DEAD');
    expect(peer.clock.pending).toBe(0);
  });

  it('sends nothing once it ended', async () => {
    const peer = new RawPeer();
    await peer.open(1);
    const slot = peer.opened[0] as Slot;
    await peer.received();
    peer.link.close(1000, '');
    slot.reset('STREAM_RESET', '');
    slot.ready();
    slot.ackNow();
    peer.link.sendControl({ type: 'rules', rules: [] });
    expect(await peer.received()).toEqual([]);
  });
});

describe('Link: how many streams', () => {
  it('takes streams until it drains, and keeps those it has', async () => {
    const peer = new RawPeer();
    const slot = peer.link.open(holder({ nextFrame: () => undefined }), openMessage());
    expect(peer.link.takesStreams).toBe(true);
    peer.link.drain();
    expect(peer.link.takesStreams).toBe(false);
    expect(peer.link.mayOpenNow).toBe(false);
    slot.reset('STREAM_CANCELLED', '');
    expect((await peer.received()).map(({ type }) => type)).toEqual(['OPEN', 'RESET']);
  });

  it('takes no more streams than the limit, and again when one has gone', () => {
    const peer = new RawPeer();
    const slots: Slot[] = [];
    while (peer.link.takesStreams) {
      peer.clock.run(1);
      slots.push(peer.link.open(holder(), openMessage()));
    }
    expect(slots).toHaveLength(LIMITS.streamsPerLink);
    slots[5]?.close();
    expect(peer.link.takesStreams).toBe(true);
  });

  it('opens half as many streams a second as it would allow', () => {
    const peer = new RawPeer();
    let opened = 0;
    const openAll = (): void => {
      while (peer.link.mayOpenNow) {
        peer.link.open(holder(), openMessage()).close();
        opened += 1;
      }
    };
    openAll();
    expect(opened).toBe(LIMITS.opensPerSecond / 2);
    expect(peer.link.takesStreams).toBe(true);
    for (let i = 0; i < 100; i += 1) {
      peer.clock.run(10);
      openAll();
    }
    expect(opened).toBe(LIMITS.opensPerSecond);
  });

  it('an OPEN that is too large throws and opens nothing', async () => {
    const peer = new RawPeer();
    const request = { ...openMessage().request, hostname: 'h'.repeat(LIMITS.controlBytes) };
    expect(() => peer.link.open(holder(), openMessage({ request }))).toThrow(
      expect.objectContaining({ code: 'PROTO_CONTROL_TOO_LARGE' }),
    );
    expect(peer.link.streamCount).toBe(0);
    expect(peer.link.open(holder(), openMessage()).id).toBe(2);
    expect(await peer.received()).toHaveLength(1);
  });

  it('ticks its streams every five seconds', async () => {
    const ticks: number[] = [];
    const peer = new RawPeer({ onOpen: () => holder({ onTick: (now) => ticks.push(now) }) });
    await peer.open(1);
    const begin = peer.clock.now();
    peer.clock.run(14_000);
    expect(ticks).toEqual([begin + 5_000, begin + 10_000]);
  });

  it('decodes what it encodes', async () => {
    const peer = new RawPeer();
    peer.link.open(holder(), openMessage());
    const [open] = await peer.received();
    expect(JSON.parse(String((open as { json: Buffer }).json))).toEqual(openMessage());
    expect(decodeFrame(encodeJson('OPEN', 2, openMessage()))).toEqual(open);
  });
});
