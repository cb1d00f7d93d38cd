/**
 * Streams between two endpoints, over links that break in any way, each with an application at either end that checks every
 * byte. What is between the endpoints is given: links, or links and a relay.
 */
import { expect } from '@jest/globals';
import fc from 'fast-check';

import type { ResumableOpener } from '../../src/protocol/resumable-opener.ts';
import type { StreamAccepter } from '../../src/protocol/stream-accepter.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { REQUEST } from '../unit/protocol/raw-peer.ts';
import { turn } from '../unit/protocol/turns.ts';
import type { LinkPair } from '../unit/protocol/two-ends.ts';
import { Flow } from './flow.ts';

const RESETS = ['STREAM_RESET', 'STREAM_CANCELLED', 'ACCESS_DENIED'] as const;
const is = <T extends string>(what: T): fc.Arbitrary<T> => fc.constant(what);
const which = fc.nat(5);

export const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: is('turns'), n: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: is('connect'), which, slow: fc.option(fc.nat(100_000)) }),
  },
  { weight: 5, arbitrary: fc.record({ do: is('cut'), which }) },
  { weight: 1, arbitrary: fc.record({ do: is('cutAll') }) },
  { weight: 3, arbitrary: fc.record({ do: is('blackHole'), which }) },
  { weight: 2, arbitrary: fc.record({ do: is('stall'), which, way: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: is('resume'), which }) },
  { weight: 3, arbitrary: fc.record({ do: is('leave'), which }) },
  { weight: 1, arbitrary: fc.record({ do: is('close'), which, side: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: is('open') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: is('reset'),
      which,
      side: fc.boolean(),
      code: fc.constantFrom(...RESETS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: is('pause'), which, side: fc.boolean(), on: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('time'), ms: fc.nat(20_000) }) },
  { weight: 1, arbitrary: fc.record({ do: is('away'), which }) },
  { weight: 1, arbitrary: fc.record({ do: is('kill') }) },
);
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** How one stream behaves. */
export const plan = fc.record({
  up: fc.oneof(fc.nat(3_000), fc.nat(120_000), fc.nat(500_000)),
  down: fc.oneof(fc.nat(3_000), fc.nat(120_000), fc.nat(500_000)),
  pieceBytes: fc.oneof(fc.integer({ min: 20, max: 200 }), fc.integer({ min: 200, max: 70_000 })),
  readEvery: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 })),
  acceptAfter: fc.nat(5),
  isRefused: fc.oneof(
    { weight: 12, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
});
export type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

/** Streams of `bytes` each way, no two alike in how they go about it, and none refused. */
export function manyPlans(count: number, bytes: number): Plan[] {
  return Array.from({ length: count }, (_, index) => ({
    up: bytes,
    down: bytes,
    pieceBytes: 500 + index * 37,
    readEvery: index % 3,
    acceptAfter: index % 4,
    isRefused: false,
  }));
}

/** Both ends of one stream. */
interface Pair {
  readonly plan: Plan;
  readonly left: Flow;
  right: Flow | undefined;
  wasReset: boolean;
}

/** No two streams have the same bytes, nor have the two directions of one. */
const textOf = (index: number, direction: 0 | 1): number => (2 * index + direction) * 1_000_000;

/** Two endpoints, and what is between them. */
export interface Ends {
  readonly clock: FakeClock;
  readonly opener: ResumableOpener;
  readonly accepter: StreamAccepter;
  readonly pairs: readonly LinkPair[];
  readonly linkErrors: readonly string[];
  /** Bytes that budgets still count; 0 when nothing is left of any stream. */
  readonly countedBytes: number;
  /** Hops between the two: each has links of its own. */
  readonly hops: number;
  connect(hop?: number): LinkPair;
  /** Moves the streams of a link to others. */
  leave(pair: LinkPair): void;
  /** What is in the middle dies, and another takes its place that knows nothing. */
  kill(): void;
}

export interface WorldOptions {
  /** Links at once. */
  readonly maxLinks: number;
  /** How a stream may end that nobody reset. */
  readonly lostCodes: readonly string[];
}

export class World<E extends Ends = Ends> {
  readonly ends: E;
  readonly pairs: Pair[] = [];
  readonly #plans: readonly Plan[];
  readonly #options: WorldOptions;

  constructor(
    plans: readonly Plan[],
    makeEnds: (onStream: (stream: Stream) => void) => E,
    options: WorldOptions,
  ) {
    this.#plans = plans;
    this.#options = options;
    this.ends = makeEnds((stream) => this.#onStream(stream));
  }

  connectAll(): void {
    for (let hop = 0; hop < this.ends.hops; hop += 1) this.ends.connect(hop);
  }

  open(): void {
    if (!this.ends.opener.isReachable || this.pairs.length >= this.#plans.length) return;
    const index = this.pairs.length;
    const chosen = this.#plans[index] as Plan;
    const stream = this.ends.opener.open({ ...REQUEST, requestId: String(index) });
    const left = new Flow(stream, {
      bytes: chosen.up,
      pieceBytes: chosen.pieceBytes,
      text: textOf(index, 0),
      otherText: textOf(index, 1),
      readEvery: chosen.readEvery,
    });
    this.pairs.push({ plan: chosen, left, right: undefined, wasReset: chosen.isRefused });
    left.write();
  }

  #onStream(stream: Stream): void {
    const index = Number(stream.request.requestId);
    const pair = this.pairs[index] as Pair;
    if (pair.right !== undefined) pair.right.faults.push('opened twice');
    const right = new Flow(stream, {
      bytes: pair.plan.down,
      pieceBytes: pair.plan.pieceBytes,
      text: textOf(index, 1),
      otherText: textOf(index, 0),
      readEvery: pair.plan.readEvery,
    });
    pair.right = right;
    void this.#accept(pair.plan, right);
  }

  async #accept({ acceptAfter, isRefused }: Plan, right: Flow): Promise<void> {
    for (let left = acceptAfter; left > 0; left -= 1) await turn();
    if (isRefused) right.stream.reset('ORIGIN_REFUSED', 'nobody there');
    else right.stream.accept();
    right.write();
  }

  async turns(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      await turn();
      for (const { left: one, right } of this.pairs) {
        one.turn();
        right?.turn();
      }
    }
  }

  /** Lets time pass; links that live notice each other. */
  async time(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 4_000) {
      this.ends.clock.run(Math.min(left, 4_000));
      await this.turns(4);
    }
  }

  /** A link that still is one, if any. */
  #living(index: number): LinkPair | undefined {
    const living = this.ends.pairs.filter(
      ({ opening, accepting }) => !opening.isClosed || !accepting.isClosed,
    );
    return living[index % Math.max(1, living.length)];
  }

  #flow(index: number, isRight: boolean): Flow | undefined {
    const pair = this.pairs[index % Math.max(1, this.pairs.length)];
    return isRight ? pair?.right : pair?.left;
  }

  async take(taken: Step): Promise<void> {
    switch (taken.do) {
      case 'turns':
        return this.turns(taken.n);
      case 'connect':
        return this.connect(taken.slow ?? Infinity, taken.which);
      case 'cut':
        return this.#living(taken.which)?.there.cut();
      case 'cutAll':
        for (const { there } of this.ends.pairs) there.cut();
        return;
      case 'blackHole':
        return this.#living(taken.which)?.there.blackHole();
      case 'stall':
        return this.#living(taken.which)?.[taken.way ? 'there' : 'back'].stall();
      case 'resume': {
        const pair = this.#living(taken.which);
        pair?.there.resume();
        pair?.back.resume();
        return;
      }
      case 'leave': {
        const pair = this.#living(taken.which);
        if (pair !== undefined) this.ends.leave(pair);
        return;
      }
      case 'close':
        return this.#living(taken.which)?.[taken.side ? 'opening' : 'accepting'].close(
          1001,
          'drain',
        );
      case 'open':
        return this.open();
      case 'reset': {
        const flow = this.#flow(taken.which, taken.side);
        if (flow === undefined || flow.stream.state === 'closed') return;
        const pair = this.pairs.find((p) => p.left === flow || p.right === flow);
        if (pair !== undefined) pair.wasReset = true;
        return flow.stream.reset(taken.code, 'by the schedule');
      }
      case 'pause': {
        const flow = this.#flow(taken.which, taken.side);
        if (flow !== undefined) flow.isPaused = taken.on;
        return;
      }
      case 'time':
        return this.time(taken.ms);
      case 'away':
        for (const { there, hop } of this.ends.pairs) {
          if (hop === taken.which % this.ends.hops) there.cut();
        }
        return;
      case 'kill':
        return this.ends.kill();
    }
  }

  connect(bytesPerTurn: number, hop = 0): void {
    const living = this.ends.pairs.filter(({ opening }) => !opening.isClosed);
    if (living.length >= this.#options.maxLinks) return;
    const { there, back } = this.ends.connect(hop % this.ends.hops);
    there.bytesPerTurn = back.bytesPerTurn = bytesPerTurn;
  }

  /** The network is well again and everybody reads; waits until every stream has ended. */
  async heal(): Promise<void> {
    for (const { there, back } of this.ends.pairs) {
      there.resume();
      back.resume();
    }
    for (const { left, right } of this.pairs) {
      left.isPaused = false;
      if (right !== undefined) right.isPaused = false;
    }
    this.connectAll();
    const isOver = (): boolean =>
      this.ends.opener.streamCount + this.ends.accepter.streamCount === 0 &&
      this.pairs.every(({ left, right }) => left.closedWith && (!right || right.closedWith));
    // Far more turns than any of them needs, and more time than a lost stream may take.
    for (let rounds = 0; rounds < 3_000 && !isOver(); rounds += 1) {
      for (const { left, right } of this.pairs) {
        left.isPaused = false;
        if (right !== undefined) right.isPaused = false;
      }
      await this.turns(10);
      this.ends.clock.run(100);
    }
    await this.turns(10);
    // Links in a black hole end.
    await this.time(20_000);
  }

  /** Every stream ended in order, with all its bytes at either end. */
  checkWhole(): void {
    for (const { plan: own, left, right } of this.pairs) {
      expect([left.closedWith, left.received]).toEqual(['cleanly', own.down]);
      expect([right?.hasEnd, right?.received]).toEqual([true, own.up]);
    }
  }

  check(): void {
    expect(this.ends.linkErrors).toEqual([]);
    for (const [index, pair] of this.pairs.entries())
      checkPair(pair, index, this.#options.lostCodes);
    expect(this.ends.countedBytes).toBe(0);
    const { opener, accepter } = this.ends;
    expect([opener.streamCount, opener.detachedCount]).toEqual([0, 0]);
    expect([accepter.streamCount, accepter.detachedCount]).toEqual([0, 0]);
  }

  /** Everything is closed: no timer is left, and no id. */
  async end(): Promise<void> {
    for (const { opening, accepting, there } of this.ends.pairs) {
      if (!opening.isClosed) expect(opening.unacked.usedBytes).toBe(0);
      expect([opening.streamCount, accepting.streamCount]).toEqual([0, 0]);
      there.cut();
      await turn();
      expect([opening.streamCount, accepting.streamCount]).toEqual([0, 0]);
    }
    await turn();
    this.ends.clock.run(50);
    expect(this.ends.clock.pending).toBe(0);
  }
}

function checkPair(
  { plan: { up, down }, left, right, wasReset }: Pair,
  index: number,
  lostCodes: readonly string[],
): void {
  const name = `stream ${index}`;
  expect([name, left.faults, right?.faults ?? []]).toEqual([name, [], []]);
  expect([name, left.closedWith]).not.toEqual([name, undefined]);
  if (right !== undefined) expect([name, right.closedWith]).not.toEqual([name, undefined]);
  if (left.closedWith === 'cleanly') {
    // Then everything arrived both ways, and the other end knows it, or misses only the last word.
    expect([name, left.received, right?.received]).toEqual([name, down, up]);
    expect([name, left.hasEnd, right?.hasEnd]).toEqual([name, true, true]);
    if (!wasReset) expect(['cleanly', 'STREAM_LOST']).toContain(right?.closedWith);
    return;
  }
  if (right?.closedWith === 'cleanly') expect([name, wasReset]).toEqual([name, true]);
  // Nobody reset it: it was without a link for too long.
  if (!wasReset) expect([...lostCodes, name]).toContain(left.closedWith);
}
