/**
 * Decides whose turn it is on a link. See docs/protocol.md §8 "Order".
 *
 * Three classes: control frames in order, then acknowledgements, then one DATA frame a turn over the streams that have
 * something. A stream that had nothing comes before those that are never done, once, so that a keystroke does not wait for
 * a frame of each of a hundred copies; together they leave half of the room to the others. It stops when `socketQueueBytes` wait
 * in the socket and goes on when they have drained, and it collects what one turn of the event loop produced into one batch,
 * because a batch of small frames costs one write.
 */
import { LIMITS } from '../core/limits.ts';
import { frameBytes, type FrameChannel, type OutgoingFrame } from './frame-channel.ts';

/** What the scheduler asks of a stream id. */
export interface Sender {
  /** The acknowledgement that is due now, if any. */
  nextAck(): Uint8Array | undefined;
  /** The next DATA or FIN frame, if any. */
  nextFrame(maxBytes: number): OutgoingFrame | undefined;
  /** Whether nextFrame() has one. */
  readonly hasFrame: boolean;
}

/** Control frames may wait up to here, bytes of memory; a peer that lets more pile up does not read. */
const MAX_CONTROL_QUEUE_BYTES = 4 * 1024 * 1024;
/** What a waiting frame takes in memory beside its bytes. */
const CONTROL_OVERHEAD_BYTES = 128;

/** Where a channel says that it has room again (`FrameChannelEvents.onDrain`), bytes. */
export const LOW_WATER_BYTES = LIMITS.socketQueueBytes / 2;

/** What a stream that had nothing to send may send before the others, bytes. Enough for a request or a screen of text. */
const FIRST_TURN_BYTES = 16 * 1024;

export class SendScheduler {
  readonly #channel: FrameChannel;
  #control: Uint8Array[] = [];
  /** How many of `#control` were sent. */
  #controlSent = 0;
  #controlBytes = 0;
  readonly #acks = new Set<Sender>();
  /** Streams that have something to send: those that had nothing when they were asked last, and the others. */
  readonly #fresh = new Set<Sender>();
  readonly #ready = new Set<Sender>();
  #pumpScheduled = false;
  #isStopped = false;

  constructor(channel: FrameChannel) {
    this.#channel = channel;
  }

  /** Queues a control frame. False when so many wait that the peer must be considered hostile or dead. */
  sendControl(frame: Uint8Array): boolean {
    this.#control.push(frame);
    this.#controlBytes += frame.byteLength + CONTROL_OVERHEAD_BYTES;
    this.#schedule();
    return this.#controlBytes <= MAX_CONTROL_QUEUE_BYTES;
  }

  /** `sender` has an acknowledgement to send. */
  ackDue(sender: Sender): void {
    this.#acks.add(sender);
    this.#schedule();
  }

  /** `sender` has data to send. Calling it again changes nothing. */
  ready(sender: Sender): void {
    if (!this.#ready.has(sender)) this.#fresh.add(sender);
    this.#schedule();
  }

  /** Takes the sender out: its id is closed. */
  remove(sender: Sender): void {
    this.#acks.delete(sender);
    this.#fresh.delete(sender);
    this.#ready.delete(sender);
  }

  /** The socket has room again. */
  onDrain(): void {
    this.#pump();
  }

  /** Sends control frames and acknowledgements without a turn of the event loop in between; for the last words on a link. */
  flush(): void {
    if (this.#isStopped) return;
    const batch: OutgoingFrame[] = [];
    this.#takeControl(batch, Infinity);
    this.#takeAcks(batch);
    if (batch.length > 0) this.#channel.send(batch);
  }

  stop(): void {
    this.#isStopped = true;
    this.#control = [];
    this.#acks.clear();
    this.#fresh.clear();
    this.#ready.clear();
  }

  #schedule(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isStopped) return;
    const batch: OutgoingFrame[] = [];
    let room = LIMITS.socketQueueBytes - this.#channel.queuedBytes;
    if (room <= 0) return;
    room -= this.#takeControl(batch, room);
    room -= this.#takeAcks(batch);
    this.#takeData(batch, room);
    if (batch.length > 0) this.#channel.send(batch);
    // Above the low-water mark onDrain() will come; below it nobody else would call.
    const hasMore = this.#fresh.size + this.#ready.size > 0 || this.#control.length > 0;
    if (hasMore && this.#channel.queuedBytes < LOW_WATER_BYTES) this.#schedule();
  }

  /** Takes control frames until there is no more room, and returns their bytes. */
  #takeControl(batch: OutgoingFrame[], room: number): number {
    let bytes = 0;
    while (bytes < room && this.#controlSent < this.#control.length) {
      const frame = this.#control[this.#controlSent] as Uint8Array;
      this.#controlSent += 1;
      this.#controlBytes -= frame.byteLength + CONTROL_OVERHEAD_BYTES;
      bytes += frame.byteLength;
      batch.push(frame);
    }
    // Not each time, or a long queue would be copied for every few frames of it.
    if (this.#controlSent > 0 && this.#controlSent * 2 >= this.#control.length) {
      this.#control = this.#control.slice(this.#controlSent);
      this.#controlSent = 0;
    }
    return bytes;
  }

  #takeAcks(batch: OutgoingFrame[]): number {
    let bytes = 0;
    for (const sender of this.#acks) {
      const ack = sender.nextAck();
      if (ack === undefined) continue;
      batch.push(ack);
      bytes += ack.byteLength;
    }
    this.#acks.clear();
    return bytes;
  }

  #takeData(batch: OutgoingFrame[], room: number): void {
    const isAlone = this.#fresh.size + this.#ready.size === 1;
    const firstTurn = isAlone ? LIMITS.dataBytes : FIRST_TURN_BYTES;
    // Many that ask for a little, again and again, could take all of a slow link.
    const forFresh = this.#ready.size > 0 ? room / 2 : room;
    const taken = this.#takeTurns(batch, forFresh, this.#fresh, firstTurn);
    this.#takeTurns(batch, room - taken, this.#ready, LIMITS.dataBytes);
  }

  /** Takes a frame of each of `senders`, for as long as there is room, and returns their bytes. */
  #takeTurns(batch: OutgoingFrame[], room: number, senders: Set<Sender>, maxBytes: number): number {
    let taken = 0;
    // A Set iterates in insertion order, also over what is added meanwhile: deleting and adding again is a round robin.
    for (const sender of senders) {
      if (taken >= room) break;
      senders.delete(sender);
      const frame = sender.nextFrame(maxBytes);
      if (frame === undefined) continue;
      batch.push(frame);
      const bytes = frameBytes(frame);
      taken += bytes;
      // Whoever fills a turn will have more. Others would be asked in a turn of the event loop of their own, for nothing.
      if (bytes >= FIRST_TURN_BYTES || sender.hasFrame) this.#ready.add(sender);
    }
    return taken;
  }
}
