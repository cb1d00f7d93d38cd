import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { frameBytes, type OutgoingFrame } from '../../../src/protocol/frame-channel.ts';
import { SendScheduler, type Sender } from '../../../src/protocol/send-scheduler.ts';
import { settle, turnsUntil } from './turns.ts';

// Some of these move very many streams; a busy machine takes its time.

const QUEUE = LIMITS.socketQueueBytes;

/** A channel whose socket drains when the test says so, or at once. */
class Channel {
  events = {
    onFrame: (): void => undefined,
    onDrain: (): void => undefined,
    onClose: (): void => undefined,
  };
  queuedBytes = 0;
  drainsAtOnce = false;
  batches: OutgoingFrame[][] = [];
  onSend: () => void = () => undefined;

  send(frames: readonly OutgoingFrame[]): void {
    this.batches.push([...frames]);
    if (!this.drainsAtOnce) {
      this.queuedBytes += frames.reduce((sum, outgoing) => sum + frameBytes(outgoing), 0);
    }
    this.onSend();
  }

  close(): void {}

  terminate(): void {}

  /** What was sent since the last call, as text. */
  taken(): string[] {
    const frames = this.batches.flat();
    this.batches = [];
    return frames.map(name);
  }
}

/** A frame of a test is its name and then filler. */
function frame(text: string, bytes = 32): Uint8Array {
  return Buffer.alloc(bytes, `${text} `);
}

function name(outgoing: OutgoingFrame): string {
  const bytes = outgoing instanceof Uint8Array ? outgoing : (outgoing[0] as Uint8Array);
  return Buffer.from(bytes).toString('latin1').split(' ', 1)[0] as string;
}

/** A stream with frames of 1 KiB to send. */
class Source implements Sender {
  readonly name: string;
  left: number;
  ack: string | undefined;
  readonly frameSize: number;

  constructor(sourceName: string, frames: number, frameSize = 1_024) {
    this.name = sourceName;
    this.left = frames;
    this.frameSize = frameSize;
  }

  nextAck(): Uint8Array | undefined {
    const { ack } = this;
    this.ack = undefined;
    return ack === undefined ? undefined : frame(ack, 17);
  }

  nextFrame(): Uint8Array | undefined {
    if (this.left === 0) return undefined;
    this.left -= 1;
    return frame(this.name, this.frameSize);
  }

  get hasFrame(): boolean {
    return this.left > 0;
  }
}

function schedulerOn(channel: Channel): SendScheduler {
  const scheduler = new SendScheduler(channel);
  channel.events.onDrain = () => scheduler.onDrain();
  return scheduler;
}

/** The socket took everything. */
function drain(channel: Channel): void {
  channel.queuedBytes = 0;
  channel.events.onDrain();
}

describe('SendScheduler: order', () => {
  it('sends control frames, then acknowledgements, then data, in one batch', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const source = new Source('data', 1);
    source.ack = 'ack';
    scheduler.ready(source);
    scheduler.ackDue(source);
    scheduler.sendControl(frame('control-1'));
    scheduler.sendControl(frame('control-2'));
    expect(channel.batches).toEqual([]);
    await settle();
    expect(channel.batches).toHaveLength(1);
    expect(channel.taken()).toEqual(['control-1', 'control-2', 'ack', 'data']);
  });

  it('lets streams take turns, one frame each', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    for (const [source, frames] of [
      ['a', 3],
      ['b', 1],
      ['c', 2],
    ] as const) {
      scheduler.ready(new Source(source, frames));
    }
    await settle();
    expect(channel.taken()).toEqual(['a', 'b', 'c', 'a', 'c', 'a']);
  });

  it('goes on with the next stream after a pause, not with the first again', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    for (const source of ['a', 'b', 'c']) scheduler.ready(new Source(source, 10, QUEUE / 2));
    await settle();
    expect(channel.taken()).toEqual(['a', 'b']);
    drain(channel);
    expect(channel.taken()).toEqual(['c', 'a']);
    drain(channel);
    expect(channel.taken()).toEqual(['b', 'c']);
  });

  it('a stream that had nothing to send does not wait for all that are never done', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    for (let i = 0; i < 100; i += 1) scheduler.ready(new Source(`bulk-${i}`, 1_000, 65_549));
    await settle();
    for (let i = 0; i < 50; i += 1) drain(channel);
    channel.taken();
    for (let i = 0; i < 3; i += 1) {
      scheduler.ready(new Source('keystroke', 1));
      drain(channel);
      expect(channel.taken()[0]).toBe('keystroke');
    }
  });

  it('it comes first once: one that always has more takes turns with the others', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const small = Array.from({ length: 8 }, (_, i) => new Source(`small-${i}`, 1_000));
    const bulk = new Source('bulk', 1_000, 65_549);
    scheduler.ready(bulk);
    await settle();
    channel.taken();
    for (let i = 0; i < 20; i += 1) {
      // Each says after each frame that it has something to send, as streams do.
      for (const source of small) scheduler.ready(source);
      drain(channel);
      const taken = channel.taken();
      expect(taken.filter((sent) => sent === 'bulk').length).toBeGreaterThanOrEqual(3);
    }
  });

  it('many that have a little again and again leave half of a slow link to one that is never done', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const small = Array.from({ length: 100 }, (_, i) => new Source(`small-${i}`, 0, 8 * 1024));
    scheduler.ready(new Source('bulk', 1_000, 65_549));
    await settle();
    channel.taken();
    for (let i = 0; i < 20; i += 1) {
      // Each was answered, and asks for the next one.
      for (const source of small) source.left = 1;
      for (const source of small) scheduler.ready(source);
      drain(channel);
      const taken = channel.taken();
      expect(taken.filter((sent) => sent === 'bulk').length).toBeGreaterThanOrEqual(2);
      expect(taken.length).toBeGreaterThan(QUEUE / 2 / (8 * 1024));
    }
  });

  it('a first turn is short where others wait, and as long as any where nobody does', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const asked: number[] = [];
    const sender: Sender = {
      nextAck: () => undefined,
      nextFrame: (maxBytes) => {
        asked.push(maxBytes);
        return frame('x');
      },
      hasFrame: false,
    };
    scheduler.ready(sender);
    await settle();
    scheduler.ready(new Source('bulk', 1, 65_549));
    scheduler.ready(sender);
    await settle();
    // And it is not asked again once it has nothing more.
    expect(asked).toEqual([LIMITS.dataBytes, 16 * 1024]);
  });

  it('being ready twice is being ready once', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const [a, b] = [new Source('a', 2), new Source('b', 2)];
    for (const source of [a, b, a, a]) scheduler.ready(source);
    await settle();
    expect(channel.taken()).toEqual(['a', 'b', 'a', 'b']);
  });

  it('asks for an acknowledgement when it can be sent, so that it is the newest', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    channel.queuedBytes = QUEUE;
    const source = new Source('a', 0);
    source.ack = 'old';
    scheduler.ackDue(source);
    await settle();
    source.ack = 'new';
    drain(channel);
    expect(channel.taken()).toEqual(['new']);
  });

  it('a removed stream sends nothing more', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const [a, b] = [new Source('a', 2), new Source('b', 1)];
    a.ack = 'ack';
    scheduler.ready(a);
    scheduler.ackDue(a);
    scheduler.ready(b);
    scheduler.remove(a);
    await settle();
    expect(channel.taken()).toEqual(['b']);
  });

  it('a stream may be removed while it is asked', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    const b = new Source('b', 1);
    const a: Sender = {
      nextAck: () => {
        scheduler.remove(a);
        scheduler.remove(b);
        return frame('last-ack', 17);
      },
      nextFrame: () => frame('never'),
      hasFrame: true,
    };
    scheduler.ackDue(a);
    scheduler.ready(a);
    scheduler.ready(b);
    await settle();
    expect(channel.taken()).toEqual(['last-ack']);
  });
});

describe('SendScheduler: the socket', () => {
  it('hands out no more than the socket queue takes, and one frame', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    scheduler.ready(new Source('bulk', 1_000, 65_549));
    await settle();
    expect(channel.queuedBytes).toBeGreaterThanOrEqual(QUEUE);
    expect(channel.queuedBytes).toBeLessThan(QUEUE + 65_549);
    const before = channel.queuedBytes;
    await settle();
    expect(channel.queuedBytes).toBe(before);
    drain(channel);
    expect(channel.queuedBytes).toBeGreaterThanOrEqual(QUEUE);
  });

  it('M8 sends nothing, not even control frames, to a peer that does not read', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    channel.queuedBytes = QUEUE;
    for (let i = 0; i < 1_000; i += 1) scheduler.sendControl(frame('pong', 13));
    await settle();
    expect(channel.batches).toEqual([]);
    drain(channel);
    expect(channel.taken()).toHaveLength(1_000);
  });

  it('goes on by itself when the socket drains before send() returns', async () => {
    const channel = new Channel();
    channel.drainsAtOnce = true;
    const scheduler = schedulerOn(channel);
    const source = new Source('bulk', 100, 65_549);
    scheduler.ready(source);
    await turnsUntil(() => source.left === 0);
    await settle();
    expect(channel.taken()).toHaveLength(100);
  });

  it('goes on by itself when a turn left the queue between empty and half full', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    // Half of what is sent leaves at once, so onDrain is never called.
    channel.onSend = () => {
      channel.queuedBytes = 100;
    };
    const source = new Source('bulk', 100, 65_549);
    scheduler.ready(source);
    await turnsUntil(() => source.left === 0);
    expect(channel.batches.length).toBeGreaterThan(1);
  });

  it('M10 takes four megabytes of control frames for a peer that does not read, and says when it is more', async () => {
    const channel = new Channel();
    channel.queuedBytes = QUEUE;
    const scheduler = schedulerOn(channel);
    let frames = 0;
    while (scheduler.sendControl(frame('pong', 13))) frames += 1;
    // Each takes more memory than it has bytes, which is counted.
    expect(frames).toBeGreaterThan(10_000);
    expect(frames).toBeLessThan(40_000);
  });

  it('M10 survives a peer that begins to read after letting very many control frames pile up', async () => {
    const channel = new Channel();
    channel.queuedBytes = QUEUE;
    const scheduler = schedulerOn(channel);
    // More than the arguments a function call takes.
    for (let i = 0; i < 300_000; i += 1) scheduler.sendControl(frame('pong', 13));
    let sent = 0;
    while (sent < 300_000) {
      drain(channel);
      expect(channel.queuedBytes).toBeLessThanOrEqual(QUEUE + 13);
      const taken = channel.taken().length;
      expect(taken).toBeGreaterThan(0);
      sent += taken;
    }
    expect(sent).toBe(300_000);
  });

  it('goes on with control frames that did not fit, also when the socket drains before send() returns', async () => {
    const channel = new Channel();
    channel.drainsAtOnce = true;
    const scheduler = schedulerOn(channel);
    for (let i = 0; i < 10; i += 1) scheduler.sendControl(frame(`open-${i}`, 60_000));
    await settle(20);
    expect(channel.taken()).toEqual(Array.from({ length: 10 }, (_, i) => `open-${i}`));
  });

  it('flush() sends the last words at once, whatever waits in the socket', () => {
    const channel = new Channel();
    channel.queuedBytes = QUEUE;
    const scheduler = schedulerOn(channel);
    scheduler.sendControl(frame('refused'));
    scheduler.ready(new Source('data', 1));
    scheduler.flush();
    expect(channel.taken()).toEqual(['refused']);
  });

  it('sends nothing once stopped', async () => {
    const channel = new Channel();
    const scheduler = schedulerOn(channel);
    scheduler.sendControl(frame('control'));
    scheduler.ready(new Source('data', 1));
    scheduler.stop();
    scheduler.ready(new Source('late', 1));
    await settle();
    scheduler.flush();
    expect(channel.batches).toEqual([]);
  });
});

describe('SendScheduler: many streams', () => {
  it('serves ten thousand streams in turn without slowing down', async () => {
    const channel = new Channel();
    channel.drainsAtOnce = true;
    const scheduler = schedulerOn(channel);
    const sources = Array.from({ length: 10_000 }, (_, i) => new Source(String(i), 10, 100));
    for (const source of sources) scheduler.ready(source);
    await turnsUntil(() => sources.every(({ left }) => left === 0));
    const served = channel.taken();
    expect(served).toHaveLength(100_000);
    // Those that came last wait for half of what those before them have, so nobody is ever more than three rounds ahead of anybody.
    const turns = new Map(sources.map((source) => [source.name, 0]));
    for (const [i, sent] of served.entries()) {
      turns.set(sent, (turns.get(sent) ?? 0) + 1);
      if (i % 1_000 !== 999) continue;
      const counts = [...turns.values()].toSorted((a, b) => a - b);
      expect((counts.at(-1) ?? 0) - (counts[0] ?? 0)).toBeLessThanOrEqual(3);
    }
  });
});
