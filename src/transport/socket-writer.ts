/**
 * Writes frames to the socket under a WebSocket, one batch at a time, as unmasked or zero-masked messages.
 *
 * What arrives while a write is under way goes into the next one. A batch is copied into one buffer that is used again:
 * a TLS socket that is given many buffers allocates, clears and fills one of its own for each write, which cost a third of
 * the throughput. The buffers belong to the process and not to the link, so that an idle link has none.
 */
import type { Socket } from 'node:net';
import { LIMITS } from '../core/limits.ts';
import { frameBytes, wholeFrame, type OutgoingFrame } from '../protocol/frame-channel.ts';
import { packMessages, packedBytes } from './pack-messages.ts';

/** Size of a shared buffer: what a link hands over at once, with the headers. A longer batch is written in several goes. */
const BATCH_BYTES = LIMITS.socketQueueBytes + LIMITS.frameBytes;
/** Batches up to this size get a buffer of their own, because small ones are cheap to make. */
const SMALL_BYTES = 4 * 1024;
/** Shared buffers that are kept while nobody uses them. */
const KEPT_BUFFERS = 8;

const free: Buffer[] = [];

export interface SocketWriterOptions {
  /** Whether messages carry a mask of zeros. */
  readonly isMasked: boolean;
  /** Whether frames may still follow. What waits when they no longer may is dropped. */
  readonly isOpen: () => boolean;
  /** Called after each batch that the kernel took. */
  readonly onWritten: () => void;
}

export class SocketWriter {
  readonly #socket: Socket;
  readonly #isMasked: boolean;
  readonly #isOpen: () => boolean;
  readonly #onWritten: () => void;
  #queue: OutgoingFrame[] = [];
  #queuedBytes = 0;
  #inUse: Buffer | undefined;
  #isWriting = false;

  constructor(socket: Socket, { isMasked, isOpen, onWritten }: SocketWriterOptions) {
    this.#socket = socket;
    this.#isMasked = isMasked;
    this.#isOpen = isOpen;
    this.#onWritten = onWritten;
    // A socket that is destroyed drops its write callbacks.
    socket.once('close', () => this.#release());
  }

  /** Bytes that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  /** Takes frames. The pieces of a frame may be used again when this returns. */
  write(frames: readonly OutgoingFrame[]): void {
    for (const frame of frames) {
      this.#queue.push(this.#isWriting ? wholeFrame(frame) : frame);
      this.#queuedBytes += frameBytes(frame);
    }
    if (this.#isWriting) return;
    this.#writeBatch();
    if (this.#queue.length > 0) this.#queue = this.#queue.map(wholeFrame);
  }

  /** Writes all that waits, whatever is under way: something else is about to be written to the socket. */
  flush(): void {
    while (this.#queue.length > 0) {
      const frames = this.#takeBatch();
      const bytes = packedBytes(frames, this.#isMasked);
      this.#socket.write(packMessages(frames, this.#isMasked, Buffer.allocUnsafe(bytes)));
    }
  }

  #writeBatch(): void {
    const frames = this.#takeBatch();
    if (frames.length === 0) return;
    this.#isWriting = true;
    const bytes = packedBytes(frames, this.#isMasked);
    const batch = packMessages(frames, this.#isMasked, this.#bufferFor(bytes));
    this.#socket.write(batch, (error) => {
      this.#isWriting = false;
      this.#release();
      if (error || !this.#isOpen()) return this.#drop();
      if (this.#queue.length > 0) this.#writeBatch();
      this.#onWritten();
    });
  }

  #drop(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** As many frames as fit into a shared buffer; at least one, if there is one. */
  #takeBatch(): OutgoingFrame[] {
    let bytes = 0;
    let count = 0;
    for (const frame of this.#queue) {
      bytes += packedBytes([frame], this.#isMasked);
      if (count > 0 && bytes > BATCH_BYTES) break;
      this.#queuedBytes -= frameBytes(frame);
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #bufferFor(bytes: number): Buffer {
    if (bytes <= SMALL_BYTES || bytes > BATCH_BYTES) return Buffer.allocUnsafe(bytes);
    this.#inUse = free.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    return this.#inUse;
  }

  #release(): void {
    if (this.#inUse !== undefined && free.length < KEPT_BUFFERS) free.push(this.#inUse);
    this.#inUse = undefined;
  }
}
