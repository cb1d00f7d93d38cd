/**
 * The receiving direction of a stream: what may arrive next, what was handed on, and how much the peer may send.
 * See docs/protocol.md §5.3 and §5.4.
 *
 * It holds no bytes: they go to the application at once, and `consume` says when the application has handed them on.
 * The granted edge never moves back. The window grows when it is seen to hold up both the peer and the application, and
 * falls back when idle; what was granted before and is used later is counted again.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Position } from './message/stream-opening.ts';

/** What the receiver owes the peer: nothing, an ACK within 100 ms, or one at once. */
export type AckUrgency = 'none' | 'soon' | 'now';

/** A window without traffic for this long falls back, ms. */
const IDLE_MS = 10_000;

/**
 * Shorter round trips count as this, ms: turns of two event loops and what waits in sockets make them longer as soon as there is
 * something to do, and a window that is too small makes every turn a small one.
 */
const SHORTEST_MS = 20;

/** An application that ever has no more than this part of a window left to hand on is as fast as the link. */
const LITTLE = 1 / 4;

/** First windows are small once less than this part of the budget is free: the rest is for streams that turn out busy. */
const KEPT_FOR_GROWTH = 1 / 2;
/** A window grows by at most this part of what is free, so that a few busy streams do not have it all. */
const GROWTH_SHARE = 1 / 4;

export class ReceiveHalf {
  readonly #budget: ByteBudget;
  #received = 0;
  #consumed = 0;
  /** What the peer was last told. */
  #toldConsumed = 0;
  #edge: number = LIMITS.earlyDataBytes;
  #window: number = LIMITS.minWindowBytes;
  /** What of the budget this stream has. */
  #counted = 0;
  #finAt: number | undefined;
  /** When, and at which offset, the present measurement of the peer's pace began. */
  #paceSince = 0;
  #paceFrom = 0;
  /** Whether there was since little left for the application to hand on. */
  #isKeptUp = false;
  /** Since when, and at which offset, nothing was handed on. */
  #idleSince = 0;
  #idleAt = 0;
  #isReleased = false;

  /** `budget` bounds all windows of the process above the least. */
  constructor(budget: ByteBudget) {
    this.#budget = budget;
    const first = LIMITS.initialWindowBytes;
    if (budget.freeBytes - first > budget.limitBytes * KEPT_FOR_GROWTH) this.#window = first;
    this.#count();
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

  /**
   * Takes note of DATA. False when the process has no room for it: it fills a window that fell back since it was granted,
   * and the budget is used up. Throws PROTO_BAD_OFFSET, PROTO_WINDOW_EXCEEDED or PROTO_AFTER_FIN.
   */
  onData(offset: number, bytes: number): boolean {
    this.#expectNext('DATA', offset);
    if (offset + bytes > this.#edge) {
      throw new PosternError(
        'PROTO_WINDOW_EXCEEDED',
        `Cannot take DATA up to ${offset + bytes}: granted up to ${this.#edge}`,
      );
    }
    this.#received += bytes;
    return this.#received - this.#consumed <= this.#window || this.#count();
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
    if (this.#received - this.#consumed <= this.#window * LITTLE) this.#isKeptUp = true;
    this.#consumeFin();
    if (this.#counted > this.#window - LIMITS.minWindowBytes) this.#count();
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
      ...(this.#finAt !== undefined && { ended: true as const }),
    };
  }

  /** Gives the window back to the budget, for good. */
  release(): void {
    this.#isReleased = true;
    this.#budget.give(this.#counted);
    this.#counted = 0;
  }

  /** Lets the window fall back when nothing was handed on for a while. Granted bytes stay granted. Called now and then. */
  shrinkWhenIdle(now: number): void {
    if (this.#consumed !== this.#idleAt) {
      this.#idleAt = this.#consumed;
      this.#idleSince = now;
    }
    if (now - this.#idleSince < IDLE_MS || this.#window <= LIMITS.initialWindowBytes) return;
    this.#window = LIMITS.initialWindowBytes;
    this.#count();
  }

  #followPace(now: number, roundTripMs: number): void {
    const consumed = this.#consumed - this.#paceFrom;
    if (consumed < this.#window / 2) return;
    // Half a window within two round trips: the peer waits for us, or soon will. While bytes wait here for a slow application
    // more of them would only take memory.
    const isFast = now - this.#paceSince < 2 * Math.max(roundTripMs, SHORTEST_MS);
    if (isFast && this.#isKeptUp) this.#grow();
    this.#isKeptUp = false;
    this.#paceSince = now;
    this.#paceFrom = this.#consumed;
  }

  #grow(): void {
    const doubled = Math.min(this.#window * 2, LIMITS.maxWindowBytes);
    if (doubled - this.#window > this.#budget.freeBytes * GROWTH_SHARE) return;
    this.#window = doubled;
    this.#count();
  }

  /** Counts the window, or what waits to be handed on where that is more. False when the budget has no room for it. */
  #count(): boolean {
    if (this.#isReleased) return true;
    const bytes = Math.max(this.#window, this.#received - this.#consumed) - LIMITS.minWindowBytes;
    const more = bytes - this.#counted;
    if (!this.#budget.tryTake(more)) return false;
    this.#counted = bytes;
    return true;
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
