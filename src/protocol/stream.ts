/**
 * One endpoint of a stream: an ordered, two-way byte flow that outlives the links under it. See docs/protocol.md §5 and §6.
 *
 * A stream owns its two halves and knows the slot (link and id) it is attached to, if any. It does not look for links
 * and keeps no time: `resumable-opener.ts` and `stream-accepter.ts` attach it, and end it when it was detached for too long.
 */
import type { Clock } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { OutgoingFrame } from './frame-channel.ts';
import { encodeAck, type StreamFrame } from './frame.ts';
import {
  parseAccept,
  type AcceptInfo,
  type AcceptMessage,
  type OpenMessage,
  type Position,
} from './message/stream-opening.ts';
import type { StreamRequest } from './message/stream-request.ts';
import { ReceiveHalf } from './receive-half.ts';
import { isResetCode, type ResetCode } from './reset-code.ts';
import { SendHalf } from './send-half.ts';
import type { Slot, StreamHolder } from './slot.ts';
import { SmallChunks } from './small-chunks.ts';
import { NO_EVENTS, type StreamEvents } from './stream-events.ts';
import type { StreamBudgets, StreamKeeper, StreamMeter } from './stream-keeper.ts';
import { lifeFrom, type StreamLife } from './stream-life.ts';

export interface StreamOptions {
  readonly key: string;
  readonly request: StreamRequest;
  readonly isInitiator: boolean;
  readonly clock: Clock;
  readonly budgets: StreamBudgets;
  readonly keeper: StreamKeeper;
  readonly meter?: StreamMeter | undefined;
}

export class Stream implements StreamHolder {
  readonly key: string;
  readonly request: StreamRequest;
  readonly #isInitiator: boolean;
  readonly #clock: Clock;
  readonly #budgets: StreamBudgets;
  readonly #keeper: StreamKeeper;
  readonly #meter: StreamMeter | undefined;
  readonly #send: SendHalf;
  readonly #receive: ReceiveHalf;
  readonly #small = new SmallChunks();
  readonly #hand = (chunk: Uint8Array): void => this.#handData(chunk);
  /** Who is told. Assign right after obtaining the stream. */
  handler: StreamEvents = NO_EVENTS;
  #slot: Slot | undefined;
  #load = 1;
  #epoch = -1;
  /** Round trip of the links behind the one under the stream, ms, where a gateway relays it. */
  #relayMs = 0;
  /** Whether both ends agree on the positions of this attach, so that frames may flow. */
  #isSynced = false;
  #wasSynced = false;
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #isWriterWaiting = false;
  #info: AcceptInfo = {};
  #replica: string | undefined;
  #life: StreamLife = {};
  #error: PosternError | undefined;
  /** Where our RESET was sent and is not answered yet. */
  #resetSlot: Slot | undefined;

  constructor(options: StreamOptions) {
    this.key = options.key;
    this.request = options.request;
    this.#isInitiator = options.isInitiator;
    this.#clock = options.clock;
    this.#budgets = options.budgets;
    this.#keeper = options.keeper;
    this.#meter = options.meter;
    this.#send = new SendHalf(options.isInitiator ? LIMITS.earlyDataBytes : 0);
    this.#receive = new ReceiveHalf(options.budgets.windows);
  }

  get state(): 'opening' | 'open' | 'closed' {
    return this.#state;
  }

  get isAttached(): boolean {
    return this.#slot !== undefined;
  }

  /** The link under the stream, if any. */
  get slot(): Slot | undefined {
    return this.#slot;
  }

  /**
   * What it carries, for whoever chooses between links: 1 unless somebody says otherwise, 0 while it is only kept for later,
   * and more where several things share it.
   */
  set load(load: number) {
    this.#load = load;
    if (this.#slot !== undefined) this.#slot.load = load;
  }

  get load(): number {
    return this.#load;
  }

  /** The epoch of the last attach; -1 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether frames flow: it is attached, and both ends agree where they are. */
  get isInStep(): boolean {
    return this.#isSynced;
  }

  /** Whether both ends agreed on their positions since the last attach, also when that is over. */
  get wasSynced(): boolean {
    return this.#wasSynced;
  }

  /** Where the other endpoint is, as a gateway on the way has told: a relayed stream goes on there or nowhere. */
  get replica(): string | undefined {
    return this.#replica;
  }

  /** How long it may be detached, as a gateway on the way has told. */
  get life(): StreamLife {
    return this.#life;
  }

  /** Why the stream ended, if it ended with an error. */
  get error(): PosternError | undefined {
    return this.#error;
  }

  get bytesSent(): number {
    return this.#send.end;
  }

  get bytesReceived(): number {
    return this.#receive.receivedBytes;
  }

  /** Whether the bytes of both directions are complete here, and only acknowledgements are missing. */
  get isWindingDown(): boolean {
    return this.#send.isEnded && this.#receive.isAtEnd;
  }

  /** Takes a copy of `chunk`. False: write no more until onWritable. */
  write(chunk: Uint8Array): boolean {
    if (this.#state === 'closed' || this.#send.isEnded) return true;
    if (chunk.byteLength > 0) {
      this.#send.write(chunk);
      this.#meter?.sent(chunk.byteLength);
      this.#budgets.unacked.take(chunk.byteLength);
      this.#slot?.link.unacked.take(chunk.byteLength);
      this.#readyToSend();
    }
    if (this.#mayWrite()) return true;
    this.#isWriterWaiting = true;
    return false;
  }

  /** Ends the sending direction after what was written. */
  end(): void {
    if (this.#state === 'closed') return;
    this.#send.finish();
    this.#readyToSend();
  }

  /** The application has handed on `bytes` of what onData gave it. */
  consume(bytes: number): void {
    if (this.#state === 'closed') return;
    this.#receive.consume(bytes);
    this.#acknowledge();
    this.#small.consumed(bytes, this.#hand);
  }

  /** Acceptor: the origin is connected. Tells the initiator and lets data flow. */
  accept(info: AcceptInfo = {}): void {
    if (this.#state !== 'opening' || this.#isInitiator) return;
    this.#state = 'open';
    this.#info = info;
    if (this.#slot !== undefined) this.#sendAccept(this.#slot);
  }

  /** Ends both directions at once, at both endpoints. */
  reset(code: ResetCode, reason: string): void {
    if (this.#state === 'closed') return;
    const slot = this.#slot;
    this.#close(new PosternError(code, reason), false);
    if (slot !== undefined) this.#resetOn(slot);
  }

  /** For the keeper: the position to put into OPEN. */
  position(): Position {
    const ofLink = this.#slot?.link.roundTripMs ?? 0;
    return this.#receive.tell(this.#clock.now(), ofLink + this.#relayMs);
  }

  /** For the keeper of an initiator: OPEN with `epoch` was sent on `slot`. A stream that has ended says so there. */
  attachAsInitiator(slot: Slot, epoch: number): void {
    if (this.#state === 'closed') {
      this.#epoch = epoch;
      this.#resetOn(slot);
    } else {
      this.#attach(slot, epoch);
      // Behind the very first OPEN early data may follow; later ones wait for ACCEPT to say where to continue.
      if (epoch === 0) this.#readyToSend();
    }
    // Sending can be what ends a link, and then its slots were told before we had this one.
    if (slot.link.isClosed) this.onLinkClosed(slot);
  }

  /**
   * For the keeper of an acceptor: OPEN arrived on `slot`. False when the peer's position cannot be.
   * Throws nothing; the caller answers with STREAM_BAD_POSITION.
   */
  attachAsAcceptor(slot: Slot, { epoch, position, relayMs }: OpenMessage): boolean {
    if (!this.#resume(position, epoch > 0)) return false;
    this.#attach(slot, epoch);
    this.#relayMs = relayMs ?? 0;
    if (this.#state === 'open') this.#sendAccept(slot);
    return true;
  }

  /** For the keeper: leaves the slot, telling the peer that the stream goes on elsewhere. */
  leaveSlot(): void {
    const slot = this.#slot;
    this.#detach();
    slot?.reset('STREAM_MOVED', '');
  }

  /** For the keeper: the stream cannot go on. The other endpoint is told where it is attached. */
  fail(error: PosternError): void {
    const slot = this.#slot;
    this.#close(error, true);
    slot?.reset(resetCodeFor(error), error.message);
  }

  onFrame(frame: StreamFrame): void {
    switch (frame.type) {
      case 'DATA':
        this.#expectSynced('DATA');
        if (!this.#receive.onData(frame.offset, frame.data.byteLength)) {
          this.reset('STREAM_LIMIT', 'Cannot keep more bytes: streams wait for slow readers');
          return;
        }
        this.#meter?.received(frame.data.byteLength);
        this.#small.push(frame.data, this.#hand);
        return;
      case 'FIN':
        this.#expectSynced('FIN');
        this.#receive.onFin(frame.offset);
        this.#small.flush(this.#hand);
        if (this.state !== 'closed') this.handler.onEnd();
        this.#acknowledge();
        return;
      case 'ACK':
        this.#expectSynced('ACK');
        this.#onAck(frame.consumed, frame.window);
        return;
      case 'ACCEPT':
        this.#onAccept(parseAccept(frame.json));
        return;
      default:
        throw new PosternError('PROTO_UNEXPECTED', `Cannot take ${frame.type} on an open stream`);
    }
  }

  onReset(slot: Slot, code: ResetCode, reason: string, isAnswer: boolean): void {
    if (slot === this.#resetSlot) {
      this.#resetSlot = undefined;
      this.#keeper.onResetSettled(this, true);
      return;
    }
    if (isAnswer || slot !== this.#slot) return;
    if (code === 'STREAM_MOVED' || code === 'STREAM_DETACHED') {
      this.#detach();
      this.#keeper.onDetached(this, code === 'STREAM_MOVED' ? 'moved' : 'cut');
      return;
    }
    const why = reason === '' ? 'the other endpoint reset the stream' : reason;
    this.#close(new PosternError(code, why), true);
  }

  onLinkClosed(slot: Slot): void {
    if (slot === this.#resetSlot) {
      this.#resetSlot = undefined;
      this.#keeper.onResetSettled(this, false);
    }
    if (slot !== this.#slot) return;
    this.#detach();
    this.#keeper.onDetached(this, 'link-closed');
  }

  nextAck(): Uint8Array | undefined {
    if (this.#slot === undefined || !this.#isSynced || this.#receive.ackUrgency === 'none') {
      return undefined;
    }
    const { consumed, window } = this.position();
    const ack = encodeAck(this.#slot.id, consumed, window);
    this.#finishWhenDone();
    return ack;
  }

  nextFrame(maxBytes: number): OutgoingFrame | undefined {
    return this.#slot && this.#send.nextFrame(this.#slot.id, maxBytes);
  }

  get hasFrame(): boolean {
    return this.#slot !== undefined && this.#send.hasFrame;
  }

  onTick(now: number): void {
    this.#receive.shrinkWhenIdle(now);
  }

  #onAccept({ position, info, relayMs = 0 }: AcceptMessage): void {
    if (!this.#isInitiator || this.#isSynced || this.#slot === undefined) {
      throw new PosternError('PROTO_UNEXPECTED', 'Cannot take ACCEPT: nothing was opened');
    }
    // Early data of the first OPEN is under way on this same link; after that, continue where the peer stands.
    if (!this.#resume(position, this.#epoch > 0)) {
      this.reset('STREAM_BAD_POSITION', 'the positions of the two endpoints contradict each other');
      return;
    }
    this.#synced();
    this.#relayMs = relayMs;
    this.#replica = info.replica ?? this.#replica;
    this.#life = lifeFrom(info, this.#clock.now());
    const isFirst = this.#state === 'opening';
    this.#state = 'open';
    if (isFirst) this.handler.onAccept?.(info);
    this.#readyToSend();
    this.#acknowledge();
    this.#wakeWriter();
    this.#finishWhenDone();
  }

  #onAck(consumed: number, window: number): void {
    this.#freed(this.#send.acknowledge(consumed, window));
    this.#readyToSend();
    this.#wakeWriter();
    this.#finishWhenDone();
  }

  /** Takes over the peer's receive position. False when it contradicts what was sent. */
  #resume(position: Position, isReplay: boolean): boolean {
    if (!this.#send.canResumeAt(position)) return false;
    this.#freed(this.#send.acknowledge(position.consumed, position.window));
    if (isReplay) this.#send.resumeAt(position);
    return true;
  }

  /** Tells the other endpoint that the stream has ended, and remembers that it does not know yet. */
  #resetOn(slot: Slot): void {
    this.#resetSlot = slot;
    slot.reset(resetCodeFor(this.#error), this.#error?.message ?? '');
  }

  #attach(slot: Slot, epoch: number): void {
    this.#slot = slot;
    slot.load = this.#load;
    this.#epoch = epoch;
    this.#isSynced = false;
    this.#wasSynced = false;
    slot.link.unacked.take(this.#send.unackedBytes);
  }

  #detach(): void {
    this.#slot?.link.unacked.give(this.#send.unackedBytes);
    this.#slot = undefined;
    this.#isSynced = false;
  }

  #synced(): void {
    this.#isSynced = true;
    this.#wasSynced = true;
  }

  #sendAccept(slot: Slot): void {
    this.#synced();
    slot.accept({ position: this.position(), info: this.#info });
    this.#readyToSend();
    this.#acknowledge();
    this.#wakeWriter();
    this.#finishWhenDone();
  }

  /** Early data may arrive at an acceptor before it accepted; everything else needs both ends in step. */
  #expectSynced(what: string): void {
    if (this.#isSynced || (!this.#isInitiator && what !== 'ACK' && this.#state === 'opening'))
      return;
    throw new PosternError('PROTO_UNEXPECTED', `Cannot take ${what} before ACCEPT`);
  }

  /** What the application gets may make it end the stream, and then it gets nothing more. */
  #handData(chunk: Uint8Array): void {
    if (this.#state !== 'closed') this.handler.onData(chunk);
  }

  #readyToSend(): void {
    const maySend = this.#isSynced || (this.#isInitiator && this.#epoch === 0);
    if (maySend && this.#send.hasFrame) this.#slot?.ready();
  }

  #acknowledge(): void {
    const slot = this.#slot;
    if (slot === undefined || !this.#isSynced) return;
    const urgency = this.#receive.ackUrgency;
    if (urgency === 'now') slot.ackNow();
    if (urgency === 'soon') slot.ackSoon();
  }

  /** Whether the application may write: within the window, and holding no more than half of what is left for all. */
  #mayWrite(): boolean {
    if (this.#send.isWindowFull) return false;
    const held = this.#send.unackedBytes;
    if (held < LIMITS.minWindowBytes) return true;
    const ofLink = this.#slot?.link.unacked.freeBytes ?? Infinity;
    return held < Math.min(ofLink, this.#budgets.unacked.freeBytes) / 2;
  }

  /** One who waits holds bytes, so there is always an ACK to come that calls this. */
  #wakeWriter(): void {
    if (!this.#isWriterWaiting || this.#state === 'closed' || !this.#mayWrite()) return;
    this.#isWriterWaiting = false;
    this.handler.onWritable();
  }

  #freed(bytes: number): void {
    this.#budgets.unacked.give(bytes);
    this.#slot?.link.unacked.give(bytes);
  }

  #finishWhenDone(): void {
    if (this.#state === 'closed' || !this.#send.isFinished || !this.#receive.isFinished) return;
    this.#slot?.close();
    this.#close(undefined, true);
  }

  #close(error: PosternError | undefined, isTold: boolean): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#error = error;
    const freed = this.#send.clear();
    this.#freed(freed);
    this.#slot = undefined;
    this.#keeper.onEnded(this, isTold);
    this.#receive.release();
    this.handler.onClose(error);
  }
}

/** The code that tells a peer of an error: its own, if it travels. */
function resetCodeFor(error: PosternError | undefined): ResetCode {
  return isResetCode(error?.code) ? error.code : 'STREAM_CANCELLED';
}
