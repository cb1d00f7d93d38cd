/**
 * Cases M1 to M14: what a hostile peer can send, and what it gets for it. Each ends in data, or in a closed link with a
 * code, with bounded memory. Some stand beside what they are about: M5, M10 and M14 in link.test.ts and
 * liveness.test.ts, M8 and M9 in stream.test.ts and receive-half.test.ts, M12 in stream-accepter.test.ts, M13 in
 * test/fuzz.
 */
import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { ByteBudget } from '../../../src/protocol/byte-budget.ts';
import {
  decodeFrame,
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodeJson,
  encodePing,
  encodeReset,
} from '../../../src/protocol/frame.ts';
import { ResumableOpener } from '../../../src/protocol/resumable-opener.ts';
import { StreamAccepter } from '../../../src/protocol/stream-accepter.ts';
import { openMessage, RawPeer, REQUEST, START, type RawPeerOptions } from './raw-peer.ts';
import { settle, turn, turnsUntil } from './turns.ts';
import { AppEnd, TwoEnds } from './two-ends.ts';

// These send very much; a busy machine takes its time.

const PING = encodePing('PING', Buffer.alloc(8));

function data(id: number, offset: number, bytes: number): Buffer {
  return Buffer.concat([encodeDataHeader(id, offset, 0), Buffer.alloc(bytes)]);
}

/** A process whose streams a hostile peer opens. */
class Victim extends RawPeer {
  readonly budgets = {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
  readonly apps: AppEnd[] = [];
  readonly accepter: StreamAccepter = new StreamAccepter({
    clock: this.clock,
    budgets: this.budgets,
    onStream: (stream) => {
      this.apps.push(new AppEnd(stream));
      if (this.accepts) stream.accept();
    },
  });
  accepts = true;

  constructor(options: RawPeerOptions = {}) {
    super({ ...options, onOpen: (slot, message) => this.accepter.open(slot, message) });
  }

  get app(): AppEnd {
    return this.apps[0] as AppEnd;
  }
}

/** A process that opened one stream to a hostile peer. */
class Caller extends RawPeer {
  readonly budgets = {
    unacked: new ByteBudget(LIMITS.processUnackedBytes),
    windows: new ByteBudget(LIMITS.processWindowBytes),
  };
  readonly opener = new ResumableOpener({ clock: this.clock, budgets: this.budgets });
  readonly app: AppEnd;

  constructor() {
    super({ isDialler: true });
    this.opener.addLink(this.link);
    this.app = new AppEnd(this.opener.open(REQUEST));
  }

  async accept(id = 1): Promise<void> {
    await this.send(encodeJson('ACCEPT', id, { position: START, info: {} }));
  }
}

const numbered = (n: number): string => `key${String(n).padStart(20, '0')}`;

/** Heap in use after a collection would have run anyway, in MB; good for orders of magnitude. */
function heapMb(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

describe('M1 DATA beyond the granted window', () => {
  it.each([
    ['in one frame behind a full window', LIMITS.initialWindowBytes, 1],
    ['by one byte of a frame', LIMITS.initialWindowBytes - 10, 11],
  ])('M1 %s ends the link with PROTO_WINDOW_EXCEEDED', async (_how, before, bytes) => {
    const victim = new Victim();
    await victim.open(1);
    victim.app.isReading = false;
    let offset = 0;
    while (offset < before) {
      const step = Math.min(before - offset, LIMITS.dataBytes);
      victim.raw.send([data(1, offset, step)]);
      offset += step;
    }
    await settle();
    expect(victim.endedWith).toBeUndefined();
    await victim.send(data(1, offset, bytes));
    expect(victim.endedWith).toBe('PROTO_WINDOW_EXCEEDED');
    expect(victim.app.bytes).toBe(before);
    // The stream itself may come back over another link.
    expect(victim.app.told).toEqual([]);
    victim.clock.run(LIMITS.detachedMs);
    expect(victim.budgets.windows.usedBytes).toBe(0);
  });

  it('M1 from an acceptor ends the link too', async () => {
    const caller = new Caller();
    await caller.accept();
    caller.app.isReading = false;
    for (let offset = 0; offset < LIMITS.initialWindowBytes; offset += LIMITS.dataBytes) {
      caller.raw.send([data(1, offset, LIMITS.dataBytes)]);
    }
    await caller.send(data(1, LIMITS.initialWindowBytes, 1));
    expect(caller.endedWith).toBe('PROTO_WINDOW_EXCEEDED');
  });
});

describe('M2 data behind OPEN', () => {
  it('M2 one byte over the early-data limit ends the link with PROTO_WINDOW_EXCEEDED', async () => {
    const victim = new Victim();
    victim.accepts = false;
    await victim.send(
      encodeJson('OPEN', 1, openMessage()),
      data(1, 0, LIMITS.earlyDataBytes - 1),
      data(1, LIMITS.earlyDataBytes - 1, 2),
    );
    expect(victim.endedWith).toBe('PROTO_WINDOW_EXCEEDED');
    expect(victim.app.bytes).toBe(LIMITS.earlyDataBytes - 1);
  });

  it('M2 the window of the position in OPEN is no leave to send', async () => {
    const victim = new Victim();
    victim.accepts = false;
    const position = { ...START, window: LIMITS.maxWindowBytes };
    await victim.send(encodeJson('OPEN', 1, openMessage({ position })), data(1, 0, 65_536));
    expect(victim.endedWith).toBe('PROTO_WINDOW_EXCEEDED');
  });

  it('M2 an acceptor that sends before ACCEPT ends the link with PROTO_UNEXPECTED', async () => {
    for (const frame of [data(1, 0, 1), encodeFin(1, 0), encodeAck(1, 0, 1)]) {
      const caller = new Caller();
      await caller.send(frame);
      expect(caller.endedWith).toBe('PROTO_UNEXPECTED');
    }
  });

  it('M2 an initiator that acknowledges before ACCEPT ends the link', async () => {
    const victim = new Victim();
    victim.accepts = false;
    await victim.open(1);
    await victim.send(encodeAck(1, 0, 1));
    expect(victim.endedWith).toBe('PROTO_UNEXPECTED');
  });

  it('M2 ACCEPT of a stream that the peer opened itself, or twice, ends the link', async () => {
    const victim = new Victim();
    await victim.open(1);
    await victim.send(encodeJson('ACCEPT', 1, { position: START, info: {} }));
    expect(victim.endedWith).toBe('PROTO_UNEXPECTED');
    const caller = new Caller();
    await caller.accept();
    await caller.accept();
    expect(caller.endedWith).toBe('PROTO_UNEXPECTED');
  });
});

describe('M3 windows at their edges', () => {
  it('M3 the largest window there is does not overflow, and does not fill memory', async () => {
    const caller = new Caller();
    await caller.accept();
    await caller.send(encodeAck(1, 0, 2 ** 32 - 1));
    expect(caller.endedWith).toBeUndefined();
    // Whatever is granted, what may wait here is bounded by the link.
    let written = 0;
    caller.channel.stall();
    while (caller.app.write(Buffer.alloc(65_536))) written += 65_536;
    expect(written).toBeLessThanOrEqual(LIMITS.linkUnackedBytes);
  });

  it('M3 an acknowledgement that changes nothing changes nothing, however often', async () => {
    const caller = new Caller();
    await caller.accept();
    for (let i = 0; i < 10_000; i += 1) caller.raw.send([encodeAck(1, 0, 0)]);
    await settle();
    expect(caller.endedWith).toBeUndefined();
    expect(caller.app.told).toEqual([]);
    // What was granted before stays granted.
    caller.app.write(Buffer.alloc(1_000));
    await settle();
    expect((await caller.received()).map(({ type }) => type)).toContain('DATA');
  });

  it('M3 a position of more than 2^53 or with an impossible window ends the link', async () => {
    for (const [received, window] of [
      [2 ** 53, 0],
      [0, LIMITS.maxWindowBytes + 1],
    ] as const) {
      const victim = new Victim();
      await victim.open(1, { position: { received, consumed: 0, window } });
      expect(victim.endedWith).toBe('PROTO_BAD_CONTROL');
    }
  });

  it('M3 ACK and FIN at the last offset there is end the link: nothing was sent there', async () => {
    for (const [frame, code] of [
      [encodeAck(1, Number.MAX_SAFE_INTEGER, 2 ** 32 - 1), 'PROTO_BAD_ACK'],
      [encodeFin(1, Number.MAX_SAFE_INTEGER), 'PROTO_BAD_OFFSET'],
    ] as const) {
      const victim = new Victim();
      await victim.open(1);
      await victim.send(frame);
      expect(victim.endedWith).toBe(code);
    }
  });

  it('M3 a window of nothing stalls the writer, and only it', async () => {
    const caller = new Caller();
    await caller.send(
      encodeJson('ACCEPT', 1, { position: { received: 0, consumed: 0, window: 0 }, info: {} }),
    );
    while (caller.app.write(Buffer.alloc(1_024)));
    const other = new AppEnd(caller.opener.open(REQUEST));
    await caller.accept(3);
    other.write(Buffer.alloc(100_000));
    const sent = (await caller.received()).filter(({ type }) => type === 'DATA');
    expect(sent.some((frame) => 'id' in frame && frame.id === 3)).toBe(true);
    expect(caller.budgets.unacked.usedBytes).toBeLessThan(200_000);
  });
});

describe('M4 frames that are too large', () => {
  it.each([0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a])(
    'M4 type %i with 16 MiB ends the link without a copy of it',
    async (type) => {
      const victim = new Victim();
      const frame = Buffer.alloc(16 * 1024 * 1024);
      frame[0] = type;
      if (type >= 0x02 && type <= 0x07) frame.writeUInt32BE(1, 1);
      const before = heapMb();
      await victim.send(frame);
      expect(victim.endedWith).toMatch(/^PROTO_/u);
      expect(heapMb() - before).toBeLessThan(16);
    },
  );

  it('M4 the largest OPEN is read quickly, many of them too', async () => {
    const victim = new Victim();
    const largest = (id: number): Buffer => {
      const message = { ...openMessage({ key: numbered(id) }), extra: '' };
      const room = LIMITS.controlBytes - Buffer.byteLength(JSON.stringify(message));
      return encodeJson('OPEN', id, { ...message, extra: '['.repeat(room) });
    };
    const begin = performance.now();
    for (let id = 1; id < 2_000; id += 2) victim.raw.send([largest(id)]);
    await settle();
    expect(victim.apps).toHaveLength(1_000);
    // 60 MB of JSON. What a stream keeps of it is what it knows.
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(victim.app.stream.request).toEqual(REQUEST);
  });
});

describe('M6 streams that are opened and left', () => {
  it('M6 one more than a link may carry ends the link with PROTO_TOO_MANY_STREAMS', async () => {
    const victim = new Victim();
    const before = heapMb();
    const open = (n: number): Buffer =>
      encodeJson('OPEN', 2 * n + 1, openMessage({ key: numbered(n) }));
    for (let n = 0; n < LIMITS.streamsPerLink; n += 1) victim.raw.send([open(n)]);
    await settle();
    expect(victim.endedWith).toBeUndefined();
    expect(victim.link.streamCount).toBe(LIMITS.streamsPerLink);
    expect(heapMb() - before).toBeLessThan(150);
    victim.clock.run(1_000);
    await victim.send(open(LIMITS.streamsPerLink));
    expect(victim.endedWith).toBe('PROTO_TOO_MANY_STREAMS');
    victim.clock.run(LIMITS.detachedMs);
    expect(victim.budgets.windows.usedBytes).toBe(0);
    expect(victim.accepter.streamCount).toBe(0);
  });

  it('M6 OPENs without end, over one link after another, leave a bounded number of streams', async () => {
    const shared = new Victim();
    for (let link = 0; link < 4; link += 1) {
      const victim = new RawPeer({
        onOpen: (slot, message) => shared.accepter.open(slot, message),
      });
      for (let n = 0; n < LIMITS.streamsPerLink; n += 1) {
        const key = numbered(link * LIMITS.streamsPerLink + n);
        victim.raw.send([encodeJson('OPEN', 2 * n + 1, openMessage({ key }))]);
      }
      await settle();
      victim.channel.cut();
      await settle();
      expect(shared.accepter.streamCount).toBeLessThanOrEqual(LIMITS.detachedStreams);
    }
    expect(shared.accepter.streamCount).toBe(LIMITS.detachedStreams);
    shared.clock.run(LIMITS.detachedMs);
    expect(shared.accepter.streamCount).toBe(0);
    expect(shared.budgets.windows.usedBytes).toBe(0);
  });
});

describe('M7 streams that are opened and reset', () => {
  it('M7 ten thousand a second end the link with PROTO_OPEN_RATE; until then other streams live', async () => {
    const victim = new Victim();
    await victim.open(1);
    let id = 3;
    let seconds = 0;
    while (victim.endedWith === undefined && seconds < 10) {
      for (let i = 0; i < 10_000; i += 1, id += 2) {
        victim.raw.send([
          encodeJson('OPEN', id, openMessage({ key: numbered(id) })),
          encodeReset(id, 'STREAM_CANCELLED', ''),
        ]);
        if (i % 100 === 99) victim.clock.run(10);
        if (i % 1_000 === 999) await settle(2);
      }
      victim.app.write('alive ');
      seconds += 1;
      await settle();
    }
    expect(victim.endedWith).toBe('PROTO_OPEN_RATE');
    expect(seconds).toBeLessThanOrEqual(3);
    expect(victim.app.told).toEqual([]);
    expect(victim.accepter.streamCount).toBe(1);
  });

  it('M7 five thousand a second are served, and leave nothing', async () => {
    const victim = new Victim();
    let id = 1;
    for (let i = 0; i < 20; i += 1) {
      for (let j = 0; j < 500; j += 1, id += 2) {
        victim.raw.send([
          encodeJson('OPEN', id, openMessage({ key: numbered(id) })),
          encodeReset(id, 'STREAM_CANCELLED', ''),
        ]);
      }
      await settle(3);
      await victim.received();
      victim.clock.run(100);
    }
    expect(victim.endedWith).toBeUndefined();
    expect([victim.accepter.streamCount, victim.link.streamCount]).toEqual([0, 0]);
    expect(victim.budgets.windows.usedBytes).toBe(0);
  });
});

describe('M8 a peer that does not read', () => {
  it('M8 holds up its own streams only as far as they may', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const writers = Array.from({ length: 100 }, () => ends.open());
    await settle();
    for (const right of ends.accepted) right.isReading = false;
    for (const writer of writers) while (writer.write(Buffer.alloc(16_384)));
    await settle(60);
    const { there, opening } = ends.pairs[0] as (typeof ends.pairs)[number];
    // Each stream one window; the link its limit; the socket a few frames.
    expect(opening.unacked.usedBytes).toBeLessThanOrEqual(LIMITS.linkUnackedBytes);
    expect(there.maxQueuedBytes).toBeLessThan(2 * LIMITS.socketQueueBytes);
    for (const right of ends.accepted) {
      expect(right.bytes).toBeLessThanOrEqual(LIMITS.initialWindowBytes);
    }
    for (const writer of writers) writer.stream.reset('STREAM_CANCELLED', '');
    await settle();
    expect(ends.countedBytes).toBe(0);
  });

  it('M8 PINGs from a peer that never reads the PONGs end the link before they fill memory', async () => {
    const victim = new Victim();
    victim.channel.stall();
    // Fills the socket, so that PONGs wait.
    victim.channel.queuedBytes = LIMITS.socketQueueBytes;
    let sent = 0;
    while (victim.endedWith === undefined && sent < 1_000_000) {
      for (let i = 0; i < 500; i += 1) victim.raw.send([PING]);
      sent += 500;
      await turn();
      victim.clock.run(1_000);
    }
    expect(victim.endedWith).toBe('PROTO_FLOOD');
    expect(sent).toBeLessThan(50_000);
  });
});

describe('M9 half-open streams', () => {
  it('M9 a stream with FIN one way that lost its link ends when nobody comes back', async () => {
    const victim = new Victim();
    await victim.open(1);
    await victim.send(encodeFin(1, 0));
    expect(victim.app.told).toEqual(['end']);
    await victim.pass(3_600_000);
    expect(victim.app.told).toEqual(['end']);
    victim.channel.cut();
    await settle();
    victim.clock.run(LIMITS.detachedMs);
    expect(victim.app.told).toEqual(['end', 'close STREAM_LOST']);
    expect(victim.budgets.windows.usedBytes).toBe(0);
  });
});

describe('M10 floods of small frames', () => {
  it.each([
    ['PING', PING],
    ['PONG', encodePing('PONG', Buffer.alloc(8))],
    ['CONTROL', encodeJson('CONTROL', 0, { type: 'later' })],
    ['RESET for a closed stream', encodeReset(1, 'STREAM_RESET', '')],
  ])(
    'M10 %s: more than the limit in one second ends the link with PROTO_FLOOD',
    async (_type, frame) => {
      const victim = new Victim();
      await victim.open(1);
      await victim.send(encodeReset(1, 'STREAM_CANCELLED', ''));
      for (let i = 0; i < LIMITS.controlFramesPerSecond; i += 1) victim.raw.send([frame]);
      await settle();
      expect(victim.endedWith).toBeUndefined();
      await victim.send(frame);
      expect(victim.endedWith).toBe('PROTO_FLOOD');
    },
  );

  it('M10 a hundred thousand ACKs or one-byte frames are taken, and cost little', async () => {
    const victim = new Victim();
    await victim.open(1);
    const begin = performance.now();
    const before = heapMb();
    for (let i = 0; i < 100_000; i += 1) {
      victim.raw.send([encodeAck(1, 0, i), data(1, i, 1)]);
      if (i % 10_000 === 0) await settle(2);
    }
    await turnsUntil(() => victim.app.bytes === 100_000);
    expect(victim.endedWith).toBeUndefined();
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect(heapMb() - before).toBeLessThan(200);
  });

  it('M10 an acceptor that moves a stream away again and again cannot keep the initiator busy', async () => {
    const caller = new Caller();
    let answered = 0;
    // Each OPEN is answered with STREAM_MOVED at once, which makes the initiator open again.
    caller.raw.events = {
      ...caller.raw.events,
      onFrame: (bytes) => {
        const frame = decodeFrame(bytes);
        if (frame.type !== 'OPEN') return;
        answered += 1;
        caller.raw.send([encodeReset(frame.id, 'STREAM_MOVED', '')]);
      },
    };
    for (let i = 0; i < 10_000; i += 1) await turn();
    expect(answered).toBeLessThanOrEqual(LIMITS.opensPerSecond / 2);
    caller.clock.run(1_000);
    for (let i = 0; i < 100; i += 1) await turn();
    expect(answered).toBeLessThanOrEqual(LIMITS.opensPerSecond);
    caller.app.stream.reset('STREAM_CANCELLED', '');
  });
});

describe('M11 many writers on one link', () => {
  it('M11 frames of streams that are written at the same time do not mix', async () => {
    const ends = new TwoEnds();
    ends.connect();
    const writers = Array.from({ length: 8 }, () => ends.open());
    await settle();
    await Promise.all(
      writers.map(async (writer, index) => {
        for (let i = 0; i < 50; i += 1) {
          writer.write(Buffer.alloc(1 + ((i * 997) % 9_000), 97 + index));
          if (i % 3 === index % 3) await turn();
        }
        writer.stream.end();
      }),
    );
    await turnsUntil(() => ends.accepted.every(({ told }) => told.includes('end')));
    expect(ends.linkErrors).toEqual([]);
    for (const [index, right] of ends.accepted.entries()) {
      const all = Buffer.concat(right.chunks);
      expect(all.equals(Buffer.alloc(all.byteLength, 97 + index))).toBe(true);
      expect(all.byteLength).toBe(writers[index]?.stream.bytesSent);
    }
  });

  it('M11 interleaved frames of two streams keep their own offsets', async () => {
    const victim = new Victim();
    await victim.open(1);
    await victim.open(3, { key: numbered(3) });
    await victim.send(data(1, 0, 5), data(3, 0, 7), data(1, 5, 5), data(3, 7, 7));
    expect(victim.apps.map(({ bytes }) => bytes)).toEqual([10, 14]);
    await victim.send(data(3, 10, 1));
    expect(victim.endedWith).toBe('PROTO_BAD_OFFSET');
  });
});

describe('frames after the end', () => {
  it.each([
    ['DATA', data(1, 3, 1)],
    ['FIN', encodeFin(1, 3)],
    ['FIN again', encodeFin(1, 2)],
  ])('%s behind FIN ends the link with PROTO_AFTER_FIN', async (_type, frame) => {
    const victim = new Victim();
    await victim.open(1);
    await victim.send(data(1, 0, 2), encodeFin(1, 2));
    await victim.send(frame);
    expect(victim.endedWith).toBe('PROTO_AFTER_FIN');
  });
});
