/**
 * M13: any bytes, and valid frames in any order, from a peer that knows the protocol well and keeps to none of it: data,
 * or a PROTO_* error and a closed link, never another throw, a hang, or memory that is not given back.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { codeOf } from '../../src/core/error.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { ByteBudget } from '../../src/protocol/byte-budget.ts';
import type { FrameChannel, OutgoingFrame } from '../../src/protocol/frame-channel.ts';
import {
  decodeFrame,
  encodeAck,
  encodeDataHeader,
  encodeFin,
  encodePing,
  encodeReset,
} from '../../src/protocol/frame.ts';
import { Link } from '../../src/protocol/link.ts';
import { ResumableOpener } from '../../src/protocol/resumable-opener.ts';
import { RESET_CODE } from '../../src/protocol/reset-code.ts';
import { StreamAccepter } from '../../src/protocol/stream-accepter.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { openMessage, REQUEST } from '../unit/protocol/raw-peer.ts';
import { settle, turn } from '../unit/protocol/turns.ts';
import { AppEnd } from '../unit/protocol/two-ends.ts';
import { fuzzOptions } from './fuzz-runs.ts';

const runs = fuzzOptions(1_500);

/** Where a number comes from: what an honest peer would send, a little beside it, or anything. */
const aim = fc.oneof(
  { weight: 40, arbitrary: fc.constant({ kind: 'right' as const, by: 0 }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('near' as const),
      by: fc.integer({ min: -3, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('any' as const), by: fc.maxSafeNat() }) },
);
type Aim = typeof aim extends fc.Arbitrary<infer T> ? T : never;

/** Windows in JSON go up to the limit, and one over it. */
const MOST = LIMITS.maxWindowBytes + 2;

function aimed(right: number, { kind, by }: Aim): number {
  return kind === 'any' ? by : Math.max(0, right + by);
}

const link = fc.nat(2);
const stream = fc.nat(5);
const bytes = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: LIMITS.dataBytes }) },
  { weight: 1, arbitrary: fc.nat(70_000) },
);
const window = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 16_384, max: 400_000 }) },
  { weight: 1, arbitrary: fc.nat(2 ** 32 - 1) },
);
const code = fc.constantFrom(...(Object.keys(RESET_CODE) as (keyof typeof RESET_CODE)[]));
const is = <T extends string>(what: T): fc.Arbitrary<T> => fc.constant(what);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: is('open'),
      link,
      key: fc.nat(4),
      epoch: fc.nat(4),
      resume: fc.boolean(),
      id: aim,
      at: aim,
      window,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: is('accept'), link, stream, at: aim, window }) },
  { weight: 10, arbitrary: fc.record({ do: is('data'), link, stream, at: aim, bytes }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: is('ack'), link, stream, at: aim, percent: fc.nat(100), window }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('fin'), link, stream, at: aim }) },
  { weight: 2, arbitrary: fc.record({ do: is('reset'), link, stream, code, reason: fc.string() }) },
  { weight: 1, arbitrary: fc.record({ do: is('ping'), link, pong: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is('control'), link, json: fc.oneof(fc.json(), fc.string()) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: is('bytes'), link, raw: fc.uint8Array({ maxLength: 50 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('connect') }) },
  { weight: 1, arbitrary: fc.record({ do: is('cut'), link }) },
  { weight: 1, arbitrary: fc.record({ do: is('stall'), link, stalled: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: is('leave'), link }) },
  { weight: 3, arbitrary: fc.record({ do: is('call') }) },
  { weight: 4, arbitrary: fc.record({ do: is('write'), stream, bytes }) },
  { weight: 3, arbitrary: fc.record({ do: is('read'), stream, percent: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ do: is('finish'), stream }) },
  { weight: 1, arbitrary: fc.record({ do: is('abort'), stream, code }) },
  { weight: 2, arbitrary: fc.record({ do: is('time'), ms: fc.nat(4_000) }) },
  { weight: 6, arbitrary: fc.record({ do: is('turn') }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One link of the victim, and what the peer knows of it. */
class Wire {
  readonly link: Link;
  readonly channel: FrameChannel & { queuedBytes: number };
  /** Ids in the order in which they were opened, by either side, and how far each has come. */
  readonly ids = new Map<number, 'called' | 'opening' | 'open' | 'ending'>();
  /** Per id: where the next byte to the victim belongs, and what came from it. */
  readonly sent = new Map<number, number>();
  readonly got = new Map<number, number>();
  readonly acked = new Map<number, number>();
  nextId: number;
  endedWith: string | undefined;
  ends = 0;

  constructor(victim: Victim, isDialler: boolean) {
    const none = (): void => undefined;
    this.channel = {
      events: { onFrame: none, onDrain: none, onClose: none },
      queuedBytes: 0,
      send: (frames) => {
        for (const frame of frames) this.#read(frame);
      },
      close: none,
      terminate: none,
    };
    this.nextId = isDialler ? 2 : 1;
    this.link = new Link({
      channel: this.channel,
      isDialler,
      clock: victim.clock,
      events: {
        onControl: none,
        onOpen: (slot, message) => victim.accepter.open(slot, message),
        onClose: (error) => {
          this.ends += 1;
          this.endedWith = error?.code;
          victim.opener.removeLink(this.link);
        },
      },
    });
    this.link.trust();
  }

  #read(outgoing: OutgoingFrame): void {
    const frame = decodeFrame(outgoing instanceof Uint8Array ? outgoing : Buffer.concat(outgoing));
    if (frame.type === 'OPEN') this.ids.set(frame.id, 'called');
    if (frame.type === 'ACCEPT') this.ids.set(frame.id, 'open');
    if (frame.type === 'RESET') {
      if (this.ids.get(frame.id) === 'ending') this.ids.delete(frame.id);
      else this.ids.set(frame.id, 'ending');
    }
    if (frame.type === 'DATA') this.got.set(frame.id, frame.offset + frame.data.byteLength);
    if (frame.type === 'FIN') this.got.set(frame.id, frame.offset + 1);
  }

  /** Hands bytes to the victim. What it throws is its own fault. */
  frame(frame: Uint8Array): void {
    this.channel.events.onFrame(frame);
  }

  /** An id for a frame: one where an honest peer could send it, if `kind` is right; else any. */
  id(choice: number, kind: Aim['kind'], ...states: string[]): number {
    const fit = [...this.ids].filter(([, state]) => kind !== 'right' || states.includes(state));
    return fit[fit.length - 1 - (choice % Math.max(1, fit.length))]?.[0] ?? 0;
  }
}

/** A process with streams of its own and of the peer. */
class Victim {
  readonly clock = new FakeClock();
  readonly budgets = {
    unacked: new ByteBudget(4 * 1024 * 1024),
    windows: new ByteBudget(4 * 1024 * 1024),
  };
  readonly opener = new ResumableOpener({ clock: this.clock, budgets: this.budgets });
  readonly apps: AppEnd[] = [];
  readonly accepter = new StreamAccepter({
    clock: this.clock,
    budgets: this.budgets,
    onStream: (opened) => {
      this.#add(new AppEnd(opened));
      const way = this.apps.length % 4;
      if (way === 0) opened.reset('ORIGIN_REFUSED', '');
      else if (way === 1) setImmediate(() => opened.accept());
      else opened.accept();
    },
  });
  readonly wires: Wire[] = [];

  connect(): void {
    if (this.wires.length >= 6) return;
    const wire = new Wire(this, this.wires.length % 2 === 0);
    this.wires.push(wire);
    this.opener.addLink(wire.link);
  }

  call(): void {
    if (this.opener.isReachable) this.#add(new AppEnd(this.opener.open(REQUEST)));
  }

  #add(app: AppEnd): void {
    app.isReading = false;
    this.apps.push(app);
  }

  /** Does one step. */
  async take(taken: Step): Promise<void> {
    const living = this.wires.filter((w) => !w.link.isClosed);
    const wire = 'link' in taken ? living[taken.link % Math.max(1, living.length)] : undefined;
    if (wire !== undefined) {
      this.#attack(wire, taken);
      return;
    }
    const app =
      'stream' in taken ? this.apps[taken.stream % Math.max(1, this.apps.length)] : undefined;
    switch (taken.do) {
      case 'connect':
        return this.connect();
      case 'call':
        return this.call();
      case 'write':
        app?.write(Buffer.alloc(taken.bytes, 'w'));
        return;
      case 'read':
        app?.handOn(taken.percent);
        return;
      case 'finish':
        return app?.stream.end();
      case 'abort':
        return app?.stream.reset(taken.code, 'aborted');
      case 'time':
        this.clock.run(taken.ms);
        return;
      case 'turn':
        return turn();
      default:
        return;
    }
  }

  #attack(wire: Wire, taken: Step): void {
    switch (taken.do) {
      case 'open': {
        const id = aimed(wire.nextId, taken.id) % 2 ** 32;
        const message = openMessage({
          key: `key${taken.key}`.padEnd(22, '0'),
          epoch: taken.epoch,
          resume: taken.resume,
          position: { received: aimed(0, taken.at), consumed: 0, window: taken.window % MOST },
        });
        if (taken.id.kind === 'right') wire.nextId += 2;
        wire.ids.set(id, 'opening');
        return wire.frame(json(0x02, id, JSON.stringify(message)));
      }
      case 'accept': {
        const id = wire.id(taken.stream, taken.at.kind, 'called');
        if (id === 0) return;
        const received = aimed(wire.got.get(id) ?? 0, taken.at);
        const position = { received, consumed: received, window: taken.window % MOST };
        wire.ids.set(id, 'open');
        return wire.frame(json(0x03, id, JSON.stringify({ position, info: {} })));
      }
      case 'data': {
        const id = wire.id(taken.stream, taken.at.kind, 'open', 'opening');
        if (id === 0) return;
        const at = aimed(wire.sent.get(id) ?? 0, taken.at);
        if (taken.at.kind === 'right') wire.sent.set(id, at + taken.bytes);
        return wire.frame(Buffer.concat([encodeDataHeader(id, at, 0), Buffer.alloc(taken.bytes)]));
      }
      case 'ack': {
        const id = wire.id(taken.stream, taken.at.kind, 'open');
        if (id === 0) return;
        const before = wire.acked.get(id) ?? 0;
        const more = Math.floor((((wire.got.get(id) ?? 0) - before) * taken.percent) / 100);
        const consumed = aimed(before + more, taken.at);
        wire.acked.set(id, consumed);
        return wire.frame(encodeAck(id, consumed, taken.window));
      }
      case 'fin': {
        const id = wire.id(taken.stream, taken.at.kind, 'open', 'opening');
        if (id === 0) return;
        return wire.frame(encodeFin(id, aimed(wire.sent.get(id) ?? 0, taken.at)));
      }
      case 'reset': {
        const id = wire.id(taken.stream, 'right', 'ending', 'open');
        if (id === 0) return;
        if (wire.ids.get(id) === 'ending') wire.ids.delete(id);
        else wire.ids.set(id, 'ending');
        return wire.frame(encodeReset(id, taken.code, taken.reason));
      }
      case 'ping':
        return wire.frame(encodePing(taken.pong ? 'PONG' : 'PING', Buffer.alloc(8)));
      case 'control':
        return wire.frame(json(0x01, 0, taken.json));
      case 'bytes':
        return wire.frame(taken.raw);
      case 'cut':
        return wire.channel.events.onClose(undefined);
      case 'stall':
        wire.channel.queuedBytes = taken.stalled ? LIMITS.socketQueueBytes : 0;
        if (!taken.stalled) wire.channel.events.onDrain();
        return;
      case 'leave':
        return this.opener.leaveLink(wire.link);
      default:
        return;
    }
  }

  check(): void {
    expect(this.budgets.windows.freeBytes).toBeGreaterThanOrEqual(0);
    expect(this.budgets.windows.usedBytes).toBeGreaterThanOrEqual(0);
    expect(this.budgets.unacked.usedBytes).toBeGreaterThanOrEqual(0);
    for (const {
      link: { streamCount, unacked },
      ends,
      endedWith,
    } of this.wires) {
      expect(streamCount).toBeLessThanOrEqual(LIMITS.streamsPerLink);
      expect(unacked.usedBytes).toBeGreaterThanOrEqual(0);
      expect(ends).toBeLessThanOrEqual(1);
      if (endedWith !== undefined) expect(endedWith).toMatch(/^PROTO_|^LINK_DEAD$/u);
    }
    for (const { told } of this.apps) {
      const close = told.findIndex((what) => what.startsWith('close'));
      // Nothing is told behind the end.
      if (close >= 0) expect(close).toBe(told.length - 1);
      expect(told.filter((what) => what === 'end').length).toBeLessThanOrEqual(1);
    }
  }
}

function json(type: number, id: number, text: string): Buffer {
  const header = Buffer.alloc(5);
  header[0] = type;
  header.writeUInt32BE(id, 1);
  return Buffer.concat([header, Buffer.from(text)]);
}

describe('M13 a hostile peer', () => {
  it('M13 gets data or a closed link, whatever it sends', async () => {
    const closes = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 120 }), async (steps) => {
        const victim = new Victim();
        victim.connect();
        victim.call();
        await settle(2);
        for (const taken of steps) {
          await victim.take(taken);
          victim.check();
        }
        await settle(3);
        // Everybody goes away, and time passes: nothing is left.
        for (const { channel } of victim.wires) channel.events.onClose(undefined);
        victim.clock.run(2 * LIMITS.detachedMs);
        await settle(3);
        victim.check();
        for (const { endedWith } of victim.wires) {
          closes.set(endedWith ?? 'lived', (closes.get(endedWith ?? 'lived') ?? 0) + 1);
        }
        expect(victim.apps.map(({ stream: { state } }) => state)).toEqual(
          victim.apps.map(() => 'closed'),
        );
        expect(victim.budgets.windows.usedBytes + victim.budgets.unacked.usedBytes).toBe(0);
        expect([victim.opener.streamCount, victim.opener.detachedCount]).toEqual([0, 0]);
        expect([victim.accepter.streamCount, victim.accepter.detachedCount]).toEqual([0, 0]);
        expect(victim.clock.pending).toBe(0);
      }),
      runs,
    );
    // The steps are good enough to get past the first check.
    expect(closes.get('lived')).toBeGreaterThan(0);
    expect(closes.size).toBeGreaterThan(5);
  });

  it('M13 gets a closed link for bytes that are no frames', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }),
        async (all) => {
          const victim = new Victim();
          victim.connect();
          const [wire] = victim.wires as [Wire];
          for (const raw of all) {
            try {
              wire.frame(raw);
            } catch (error) {
              throw new Error(`threw ${codeOf(error)}`, { cause: error });
            }
          }
          wire.channel.events.onClose(undefined);
          victim.clock.run(2 * LIMITS.detachedMs);
          expect(victim.clock.pending).toBe(0);
        },
      ),
      runs,
    );
  });
});
