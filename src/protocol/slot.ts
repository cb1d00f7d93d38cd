/**
 * One stream id on one link, from OPEN until both sides have let go of it. See docs/protocol.md §5.5.
 *
 * A slot knows whether its id is being reset, and who holds it; what is sent and in which order is the link's affair.
 */
import type { OutgoingFrame } from './frame-channel.ts';
import { encodeJson, encodeReset, type StreamFrame } from './frame.ts';
import type { Link } from './link.ts';
import type { AcceptMessage } from './message/stream-opening.ts';
import type { ResetCode } from './reset-code.ts';
import type { Sender, SendScheduler } from './send-scheduler.ts';

/** Who holds a stream id on a link: an endpoint or a relay. */
export interface StreamHolder extends Sender {
  /** ACCEPT, DATA, ACK or FIN for the id. May throw a PROTO_* error, which ends the link. */
  onFrame(frame: StreamFrame): void;
  /** The peer sent RESET, or answered ours (`isAnswer`). The id is closed. */
  onReset(slot: Slot, code: ResetCode, reason: string, isAnswer: boolean): void;
  /** The link ended, and the id with it. */
  onLinkClosed(slot: Slot): void;
  /** Every few seconds, for what falls back when idle. */
  onTick(now: number): void;
}

/** One stream id on one link, as its holder sees it. */
export class Slot implements Sender {
  readonly link: Link;
  readonly id: number;
  readonly #scheduler: SendScheduler;
  holder: StreamHolder | undefined;
  #load = 1;
  #isResetting = false;

  constructor(link: Link, id: number, scheduler: SendScheduler) {
    this.link = link;
    this.id = id;
    this.#scheduler = scheduler;
  }

  /** What its stream carries: none while it is kept for later, one thing, or as many as it says. */
  get load(): number {
    return this.#load;
  }

  set load(load: number) {
    this.link.onLoad(this, load);
    this.#load = load;
  }

  /** Sends ACCEPT. */
  accept(message: AcceptMessage): void {
    this.link.sendFrame(encodeJson('ACCEPT', this.id, message));
  }

  /** There is data to send. */
  ready(): void {
    if (!this.#isResetting) this.#scheduler.ready(this);
  }

  /** An acknowledgement is due now. */
  ackNow(): void {
    if (!this.#isResetting) this.#scheduler.ackDue(this);
  }

  /** An acknowledgement is due soon. */
  ackSoon(): void {
    if (!this.#isResetting) this.link.ackLater(this);
  }

  /** Sends RESET. The holder hears onReset when the peer has answered, and no frame in between. */
  reset(code: ResetCode, reason: string): void {
    if (this.#isResetting || this.link.isClosed) return;
    this.#isResetting = true;
    this.#scheduler.remove(this);
    this.link.sendFrame(encodeReset(this.id, code, reason));
  }

  /** Both directions finished: the id is closed without RESET. */
  close(): void {
    this.link.forget(this);
  }

  nextAck(): Uint8Array | undefined {
    return this.#isResetting ? undefined : this.holder?.nextAck();
  }

  nextFrame(maxBytes: number): OutgoingFrame | undefined {
    return this.#isResetting ? undefined : this.holder?.nextFrame(maxBytes);
  }

  get hasFrame(): boolean {
    return !this.#isResetting && this.holder?.hasFrame === true;
  }

  /** For the link: a frame of this id arrived. */
  onFrame(frame: StreamFrame): void {
    if (frame.type === 'RESET') {
      this.link.forget(this);
      if (!this.#isResetting) this.link.sendFrame(encodeReset(this.id, frame.code, ''));
      this.holder?.onReset(this, frame.code, frame.reason, this.#isResetting);
      return;
    }
    // What was on its way when we sent RESET ends with the answer to it.
    if (!this.#isResetting) this.holder?.onFrame(frame);
  }
}

/** Holds a slot whose stream is not there, or not wanted, until the peer has answered the RESET or read the ACCEPT. */
export const NOBODY: StreamHolder = {
  onFrame: () => undefined,
  onReset: () => undefined,
  onLinkClosed: () => undefined,
  nextAck: () => undefined,
  nextFrame: () => undefined,
  hasFrame: false,
  onTick: () => undefined,
};
