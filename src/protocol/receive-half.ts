/**
 * The receiving direction of a stream: what may arrive next, what was handed on, and how much the peer may send.
 * See docs/protocol.md §5.3 and §5.4.
 *
 * It holds no bytes: they go to the application at once, and `consume` says when the application has handed them on.
 * The granted edge never moves back. The window grows when the peer is seen to wait for it, and falls back when idle.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Position } from './control-message.ts';

/** What the receiver owes the peer: nothing, an ACK within 100 ms, or one at once. */
export type AckUrgency = 'none' | 'soon' | 'now';

/** A window without traffic for this long falls back, ms. */
const IDLE_MS = 10_000;

export class ReceiveHalf {
  readonly #budget: ByteBudget;
  #received = 0;
  #consumed = 0;
  /** What the peer was last told. */
  #toldConsumed = 0;
  #edge: number = LIMITS.earlyDataBytes;
  #window: number = LIMITS.minWindowBytes;
  #finAt: number | undefined;
  /** When, and at which offset, the present measurement of the peer's pace began. */
  #paceSince = 0;
  #paceFrom = 0;
  #isReleased = false;

  /** `budget` bounds all windows of the process above the least. */
  constructor(budget: ByteBudget) {
    this.#budget = budget;
    this.#setWindow(LIMITS.initialWindowBytes);
  }

  /** Bytes received so far. */
  get receivedBytes(): number {
    return Math.min(this.#received, this.#finAt ?? this.#received);
  }

  get window(): number {
    return this.#window;
  }

  /** Whether FIN has arrived and all before it was handed on. */
  get isAtEnd(): boolean {
    return this.#finAt !== undefined && this.#consumed >= this.#finAt;
  }

  get hasFin(): boolean {
    return this.#finAt !== undefined;
  }

  /** Whether the peer was told that everything including FIN was handed on. */
  get isFinished(): boolean {
    return this.#finAt !== undefined && this.#toldConsumed > this.#finAt;
  }

  /** Takes note of DATA. Throws PROTO_BAD_OFFSET, PROTO_WINDOW_EXCEEDED or PROTO_AFTER_FIN. */
  onData(offset: number, bytes: number): void {
    this.#expectNext('DATA', offset);
    if (offset + bytes > this.#edge) {
      throw new PosternError(
        'PROTO_WINDOW_EXCEEDED',
        `Cannot take DATA up to ${offset + bytes}: granted up to ${this.#edge}`,
      );
    }
    this.#received += bytes;
  }

  /** Takes note of FIN. Throws PROTO_BAD_OFFSET or PROTO_AFTER_FIN. */
  onFin(offset: number): void {
    this.#expectNext('FIN', offset);
    this.#finAt = offset;
    this.#received += 1;
  }

  /** The application handed on `bytes` more. Handing on the last byte before FIN hands on FIN too. */
  consume(bytes: number): void {
    this.#consumed += bytes;
    this.#consumeFin();
  }

  /** What is owed to the peer now. */
  get ackUrgency(): AckUrgency {
    this.#consumeFin();
    const untold = this.#consumed - this.#toldConsumed;
    if (untold === 0) return 'none';
    if (this.isAtEnd || untold >= this.#window / 4) return 'now';
    return 'soon';
  }

  /** The position to tell the peer, after letting the window follow its pace. `roundTripMs` is the link's. */
  tell(now: number, roundTripMs: number): Position {
    this.#consumeFin();
    this.#followPace(now, roundTripMs);
    this.#toldConsumed = this.#consumed;
    this.#edge = Math.max(this.#edge, this.#consumed + this.#window);
    return {
      received: this.#received,
      consumed: this.#consumed,
      window: this.#edge - this.#consumed,
    };
  }

  /** Gives the window back to the budget, for good. */
  release(): void {
    this.#isReleased = true;
    this.#setWindow(LIMITS.minWindowBytes);
  }

  /** Lets the window fall back when nothing arrived for a while. Granted bytes stay granted. */
  shrinkWhenIdle(now: number): void {
    if (this.#consumed !== this.#paceFrom || now - this.#paceSince < IDLE_MS) return;
    if (this.#window > LIMITS.initialWindowBytes) this.#setWindow(LIMITS.initialWindowBytes);
  }

  #followPace(now: number, roundTripMs: number): void {
    const consumed = this.#consumed - this.#paceFrom;
    if (consumed < this.#window / 2) return;
    // Half a window within two round trips: the peer is waiting for us, or soon will.
    if (now - this.#paceSince < 2 * roundTripMs) {
      this.#setWindow(Math.min(this.#window * 2, LIMITS.maxWindowBytes));
    }
    this.#paceSince = now;
    this.#paceFrom = this.#consumed;
  }

  /** Moves the window to `bytes` as far as the budget allows. Only what is above the least counts. */
  #setWindow(bytes: number): void {
    const more = bytes - this.#window;
    if (more > 0 && (this.#isReleased || !this.#budget.tryTake(more))) return;
    if (more < 0) this.#budget.give(-more);
    this.#window = bytes;
  }

  #consumeFin(): void {
    if (this.#finAt !== undefined && this.#consumed === this.#finAt) this.#consumed += 1;
  }

  #expectNext(what: string, offset: number): void {
    if (this.#finAt !== undefined) {
      throw new PosternError('PROTO_AFTER_FIN', `Cannot take ${what} at ${offset}: after FIN`);
    }
    if (offset !== this.#received) {
      throw new PosternError(
        'PROTO_BAD_OFFSET',
        `Cannot take ${what} at ${offset}: ${this.#received} was expected`,
      );
    }
  }
}
