/**
 * One direction of a relayed stream: what its sender may send, what waits to be forwarded, and what was acknowledged.
 * See docs/protocol.md §5.3, §5.4 and §11.
 *
 * Whatever either end does against the rules is found here, because it must end the link it came on and never the one it
 * would go to: that one carries the streams of others. Nothing is kept once it was sent on; the endpoints do that.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Position } from './message/stream-opening.ts';
import type { OutgoingFrame } from './frame-channel.ts';
import { encodeAck, encodeDataHeader, encodeFin } from './frame.ts';
import { giveBackSlab } from './slab.ts';

/** What a waiting piece takes in memory beside its bytes. */
const PIECE_OVERHEAD_BYTES = 256;

export class RelayLane {
  readonly #budget: ByteBudget;
  /** The next offset that the sender may use. */
  #next: number;
  /** The first offset that the receiver has not granted. */
  #edge: number;
  /** Where FIN is, once it was sent, or once the receiver has it. */
  #finAt: number | undefined;
  /** Up to where everything was put on the receiver's link. */
  #sent: number;
  /** Up to where the receiver has handed on, and up to where the sender was told so. */
  #consumed: number;
  #told: number;
  #isAckDue = false;
  #waiting: Buffer[] = [];
  /** The first of them, and the byte in it, that was not sent on. */
  #first = 0;
  #firstByte = 0;
  #counted = 0;
  /** Sent on in this turn: their memory is free once the channel has taken them. */
  #spent: Buffer[] = [];

  /** `position` is the receiver's. The sender knows it, or is told it before it may send. */
  constructor(budget: ByteBudget, position: Position) {
    this.#budget = budget;
    this.#next = position.received;
    this.#sent = position.received;
    this.#edge = position.consumed + position.window;
    this.#consumed = position.consumed;
    this.#told = position.consumed;
    if (position.ended === true) this.#finAt = position.received - 1;
  }

  /**
   * Takes over the position that the receiver told in ACCEPT. `isFirst`: data of the sender may be under way already.
   * Throws PROTO_BAD_OFFSET when the receiver has what was not sent.
   */
  synced(position: Position, isFirst: boolean): void {
    if (isFirst) {
      this.#expectSent(position);
    } else {
      this.#next = position.received;
      this.#sent = position.received;
    }
    this.#edge = Math.max(this.#edge, position.consumed + position.window);
    this.#consumed = position.consumed;
    this.#told = position.consumed;
    if (position.ended === true) this.#finAt ??= position.received - 1;
  }

  get hasFrame(): boolean {
    return this.#first < this.#waiting.length || this.#sent === this.#finAt;
  }

  /** Whether the receiver has handed on everything, FIN included. */
  get isConsumed(): boolean {
    return this.#finAt !== undefined && this.#consumed > this.#finAt;
  }

  /** Whether the sender was told so. */
  get isTold(): boolean {
    return this.#finAt !== undefined && this.#told > this.#finAt;
  }

  /** Bytes of the stream that went through, from its start. */
  get bytes(): number {
    return Math.min(this.#next, this.#finAt ?? this.#next);
  }

  /** From the sender. False when the process has no room for it. Throws PROTO_*. */
  onData(offset: number, data: Buffer): boolean {
    this.#expectNext('DATA', offset);
    const end = offset + data.byteLength;
    if (end > this.#edge) {
      throw new PosternError(
        'PROTO_WINDOW_EXCEEDED',
        `Cannot take DATA up to ${end}: granted up to ${this.#edge}`,
      );
    }
    this.#next = end;
    const bytes = data.byteLength + PIECE_OVERHEAD_BYTES;
    if (!this.#budget.tryTake(bytes)) return false;
    this.#counted += bytes;
    this.#waiting.push(data);
    return true;
  }

  /** From the sender. Throws PROTO_*. */
  onFin(offset: number): void {
    this.#expectNext('FIN', offset);
    this.#finAt = offset;
    this.#next += 1;
  }

  /** From the receiver. Throws PROTO_BAD_ACK. */
  onAck(consumed: number, window: number): void {
    if (consumed < this.#consumed || consumed > this.#sent || window > LIMITS.maxWindowBytes) {
      throw new PosternError(
        'PROTO_BAD_ACK',
        `Cannot take ACK ${consumed}+${window}: ${this.#consumed} to ${this.#sent} was expected`,
      );
    }
    // The sender may have closed its id since, and another ACK would end the link it is on.
    if (this.isConsumed) {
      throw new PosternError('PROTO_BAD_ACK', 'Cannot take ACK: FIN was acknowledged before');
    }
    this.#consumed = consumed;
    this.#edge = Math.max(this.#edge, consumed + window);
    this.#isAckDue = true;
  }

  /** What the sender is to be told, on its slot. */
  nextAck(id: number): Uint8Array | undefined {
    if (!this.#isAckDue) return undefined;
    this.#isAckDue = false;
    this.#told = this.#consumed;
    return encodeAck(id, this.#consumed, this.#edge - this.#consumed);
  }

  /** What the receiver is to be sent, on its slot. */
  nextFrame(id: number, maxBytes: number): OutgoingFrame | undefined {
    const piece = this.#waiting[this.#first];
    if (piece === undefined) {
      if (this.#sent !== this.#finAt) return undefined;
      this.#sent += 1;
      return encodeFin(id, this.#finAt);
    }
    const part = piece.subarray(this.#firstByte, this.#firstByte + maxBytes);
    const header = encodeDataHeader(id, this.#sent, 0);
    this.#sent += part.byteLength;
    this.#firstByte += part.byteLength;
    if (this.#firstByte === piece.byteLength) this.#done(piece);
    return [header, part];
  }

  /** Drops what waits. */
  clear(): void {
    this.#budget.give(this.#counted);
    this.#counted = 0;
    this.#waiting = [];
    this.#first = 0;
    this.#firstByte = 0;
  }

  #done(piece: Buffer): void {
    const bytes = piece.byteLength + PIECE_OVERHEAD_BYTES;
    this.#counted -= bytes;
    this.#budget.give(bytes);
    this.#firstByte = 0;
    this.#first += 1;
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    // The channel is given the whole batch after this returns, and reads it before anything else runs.
    if (this.#spent.push(piece) === 1) queueMicrotask(() => this.#giveBack());
  }

  #giveBack(): void {
    for (const piece of this.#spent) giveBackSlab(piece);
    this.#spent = [];
  }

  #expectSent({ received, ended }: Position): void {
    const isFinThere = this.#finAt !== undefined && received > this.#finAt;
    if (received <= this.#sent && (ended === true) === isFinThere) return;
    throw new PosternError(
      'PROTO_BAD_OFFSET',
      `Cannot take ACCEPT at ${received}: ${this.#sent} was sent`,
    );
  }

  #expectNext(what: string, offset: number): void {
    if (this.#finAt !== undefined) {
      throw new PosternError('PROTO_AFTER_FIN', `Cannot take ${what} at ${offset}: after FIN`);
    }
    if (offset !== this.#next) {
      const expected = `${this.#next} was expected`;
      throw new PosternError('PROTO_BAD_OFFSET', `Cannot take ${what} at ${offset}: ${expected}`);
    }
  }
}
