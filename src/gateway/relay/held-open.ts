/**
 * A stream of a client whose connector has not come yet: holds its id, and what its client sends meanwhile.
 *
 * The client may send LIMITS.earlyDataBytes before it is answered; what it does against the rules ends its link here, as
 * it would in a relay. docs/protocol.md §5.1.
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ByteBudget } from '../../protocol/byte-budget.ts';
import type { StreamFrame } from '../../protocol/frame.ts';
import type { Slot, StreamHolder } from '../../protocol/slot.ts';

/** What a frame takes in memory beside its bytes. */
const FRAME_OVERHEAD_BYTES = 256;

export interface HeldOpenOptions {
  readonly slot: Slot;
  /** Of the OPEN: only a first one may be followed by data. */
  readonly epoch: number;
  /** What waits in all relays of the process. */
  readonly budget: ByteBudget;
  /** The client gave up, or its link ended. Not called after passTo() and end(). */
  onGone(): void;
}

export class HeldOpen implements StreamHolder {
  readonly #options: HeldOpenOptions;
  #frames: StreamFrame[] = [];
  #next = 0;
  #hasEnded = false;
  #counted = 0;
  #isOver = false;

  constructor(options: HeldOpenOptions) {
    this.#options = options;
  }

  /** Hands the id over to whoever carries the stream, with what came. */
  passTo(holder: StreamHolder): void {
    const { slot } = this.#options;
    const frames = this.#frames;
    this.end();
    slot.holder = holder;
    for (const frame of frames) holder.onFrame(frame);
  }

  /** Forgets what came. Safe to call twice. */
  end(): void {
    this.#isOver = true;
    this.#options.budget.give(this.#counted);
    this.#counted = 0;
    this.#frames = [];
  }

  onFrame(frame: StreamFrame): void {
    if (this.#isOver) return;
    if (this.#options.epoch > 0 || (frame.type !== 'DATA' && frame.type !== 'FIN')) {
      throw new PosternError('PROTO_UNEXPECTED', `Cannot take ${frame.type} before ACCEPT`);
    }
    this.#expect(frame.type, frame.offset);
    const bytes = frame.type === 'DATA' ? frame.data.byteLength : 0;
    this.#next += bytes;
    this.#hasEnded = frame.type === 'FIN';
    if (this.#next > LIMITS.earlyDataBytes) {
      const granted = `granted up to ${LIMITS.earlyDataBytes}`;
      const message = `Cannot take DATA up to ${this.#next}: ${granted}`;
      throw new PosternError('PROTO_WINDOW_EXCEEDED', message);
    }
    this.#keep(frame, bytes + FRAME_OVERHEAD_BYTES);
  }

  onReset(): void {
    this.#gone();
  }

  onLinkClosed(): void {
    this.#gone();
  }

  nextAck(): undefined {
    // Nothing has been handed on.
  }

  nextFrame(): undefined {
    // Nobody has answered.
  }

  get hasFrame(): false {
    return false;
  }

  onTick(): void {
    // Waiting is short.
  }

  #expect(type: 'DATA' | 'FIN', offset: number): void {
    if (this.#hasEnded) {
      throw new PosternError('PROTO_AFTER_FIN', `Cannot take ${type} at ${offset}: after FIN`);
    }
    if (offset === this.#next) return;
    const message = `Cannot take ${type} at ${offset}: ${this.#next} was expected`;
    throw new PosternError('PROTO_BAD_OFFSET', message);
  }

  #keep(frame: StreamFrame, bytes: number): void {
    if (this.#options.budget.tryTake(bytes)) {
      this.#counted += bytes;
      this.#frames.push(frame);
      return;
    }
    this.#options.slot.reset('STREAM_DETACHED', '');
    this.#gone();
  }

  #gone(): void {
    if (this.#isOver) return;
    this.end();
    this.#options.onGone();
  }
}
