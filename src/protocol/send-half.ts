/**
 * The sending direction of a stream: what the application wrote and the peer has not acknowledged. See docs/protocol.md §5.3 and §5.4.
 *
 * This is the replay buffer and the send queue in one. Three offsets move through it: `base` (acknowledged) ≤ `cursor`
 * (sent on the present link) ≤ `end` (written). FIN takes the position behind the last byte. Large frames refer to the bytes
 * that are kept here. Every write is copied: whoever writes may use its memory again. Small ones go together, bulk into slabs.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { Position } from './message/stream-opening.ts';
import type { OutgoingFrame } from './frame-channel.ts';
import { DATA_HEADER_BYTES, encodeDataHeader, encodeFin } from './frame.ts';
import { giveBackSlab, takeSlab } from './slab.ts';

/** Less than this is copied into one frame; more goes out in pieces, because copying it costs more than a longer list. */
const COPY_BELOW_BYTES = 4 * 1024;

/**
 * Writes below this size share memory once this many chunks are kept, or where there is room: apart, each would take some
 * 500 bytes more than it has. Fewer are not worth the copy.
 */
const GATHER_BELOW_BYTES = 512;
const GATHER_FROM_CHUNKS = 32;
/** Writes from this size on are bulk, and are copied into slabs. */
const BULK_BYTES = 16 * 1024;
/** Memory that small writes share, bytes: twice as much each time, so that few of them take little. */
const FIRST_BLOCK_BYTES = 1024;
const LARGEST_BLOCK_BYTES = 16 * 1024;

export class SendHalf {
  #chunks: Uint8Array[] = [];
  /** Acknowledged bytes at the front of the first chunk. */
  #skip = 0;
  #base = 0;
  #cursor = 0;
  #end = 0;
  /** Chunk and byte in it that the cursor stands at. */
  #cursorChunk = 0;
  #cursorByte = 0;
  #limit: number;
  #finAt: number | undefined;
  /** Memory behind the last chunk that has room for small writes, and the bytes used in it. */
  #block: Buffer | undefined;
  #blockUsed = 0;

  /** `limit` is the first offset that the peer has not granted. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes written so far. */
  get end(): number {
    return this.#end;
  }

  /** Bytes kept because the peer has not acknowledged them. */
  get unackedBytes(): number {
    return this.#end - Math.min(this.#base, this.#end);
  }

  /** Whether what was written fills what the peer granted. */
  get isWindowFull(): boolean {
    return this.#end >= this.#limit;
  }

  get isEnded(): boolean {
    return this.#finAt !== undefined;
  }

  /** Whether FIN was acknowledged. */
  get isFinished(): boolean {
    return this.#finAt !== undefined && this.#base > this.#finAt;
  }

  get hasFrame(): boolean {
    return this.#cursor < Math.min(this.#end, this.#limit) || this.#cursor === this.#finAt;
  }

  /** Takes a copy of `chunk`. */
  write(chunk: Uint8Array): void {
    const isMany = this.#block !== undefined || this.#chunks.length >= GATHER_FROM_CHUNKS;
    if (chunk.byteLength >= BULK_BYTES) this.#copyToSlabs(chunk);
    else if (isMany && chunk.byteLength < GATHER_BELOW_BYTES) this.#gather(chunk);
    else this.#append(Buffer.from(chunk), undefined);
    this.#end += chunk.byteLength;
  }

  finish(): void {
    this.#finAt ??= this.#end;
  }

  /** The next DATA or FIN frame, or undefined when there is nothing to send or no window for it. */
  nextFrame(id: number, maxBytes: number): OutgoingFrame | undefined {
    const bytes = Math.min(maxBytes, Math.min(this.#end, this.#limit) - this.#cursor);
    if (bytes > 0) {
      const offset = this.#cursor;
      const pieces = this.#take(bytes);
      if (bytes >= COPY_BELOW_BYTES) return [encodeDataHeader(id, offset, 0), ...pieces];
      return joined(encodeDataHeader(id, offset, bytes), pieces);
    }
    if (this.#cursor !== this.#finAt) return undefined;
    this.#cursor += 1;
    return encodeFin(id, this.#finAt);
  }

  /** Takes an acknowledgement and returns how many bytes it freed. Throws PROTO_BAD_ACK. */
  acknowledge(consumed: number, window: number): number {
    if (consumed > this.#cursor || consumed < this.#base) {
      throw new PosternError(
        'PROTO_BAD_ACK',
        `Cannot take ACK ${consumed}: between ${this.#base} and ${this.#cursor} was expected`,
      );
    }
    const before = this.unackedBytes;
    this.#drop(Math.min(consumed, this.#end) - Math.min(this.#base, this.#end));
    this.#base = consumed;
    // The edge never moves back (§5.4), so the larger one holds.
    this.#limit = Math.max(this.#limit, consumed + window);
    return before - this.unackedBytes;
  }

  /** Whether the peer's receive side may be there. */
  canResumeAt({ received, consumed, ended }: Position): boolean {
    const isFinThere = this.#finAt !== undefined && received > this.#finAt;
    return received <= this.#cursor && consumed >= this.#base && (ended === true) === isFinThere;
  }

  /**
   * Continues sending at the peer's position, which canResumeAt() has approved and acknowledge() has taken. A relay knows no
   * other edge than the one in it, so neither do we: a peer that took back what it had granted would only end the relay's link.
   */
  resumeAt({ received, consumed, window }: Position): void {
    this.#limit = consumed + window;
    this.#cursor = received;
    let ahead = Math.min(received, this.#end) - Math.min(this.#base, this.#end) + this.#skip;
    this.#cursorChunk = 0;
    while (this.#cursorChunk < this.#chunks.length) {
      const bytes = (this.#chunks[this.#cursorChunk] as Uint8Array).byteLength;
      if (ahead < bytes) break;
      ahead -= bytes;
      this.#cursorChunk += 1;
    }
    this.#cursorByte = ahead;
  }

  /** Drops everything. Returns how many bytes that freed. */
  clear(): number {
    const freed = this.unackedBytes;
    this.#chunks = [];
    this.#block = undefined;
    this.#base = this.#end;
    this.#cursor = this.#end;
    this.#finAt = undefined;
    return freed;
  }

  /** Adds a chunk; `block` is the memory behind it, if it has room for more. */
  #append(chunk: Uint8Array, block: Buffer | undefined): void {
    this.#chunks.push(chunk);
    this.#block = block;
    this.#blockUsed = chunk.byteLength;
  }

  /** Copies a small chunk behind the last one, or into new memory. What was sent from there before stays as it is. */
  #gather(chunk: Uint8Array): void {
    const block = this.#block;
    if (block === undefined || this.#blockUsed + chunk.byteLength > block.byteLength) {
      const twice = 2 * (block?.byteLength ?? FIRST_BLOCK_BYTES / 2);
      const larger = Buffer.allocUnsafe(Math.min(twice, LARGEST_BLOCK_BYTES));
      larger.set(chunk);
      this.#append(larger.subarray(0, chunk.byteLength), larger);
      return;
    }
    this.#extendLast(block, chunk);
  }

  /** Copies a large chunk behind the last one as far as its memory goes, and the rest into slabs. */
  #copyToSlabs(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      const block = this.#block;
      const room = block === undefined ? 0 : block.byteLength - this.#blockUsed;
      if (block !== undefined && room > 0) {
        const part = chunk.subarray(at, at + room);
        this.#extendLast(block, part);
        at += part.byteLength;
        continue;
      }
      const slab = takeSlab(LIMITS.dataBytes);
      const part = chunk.subarray(at, at + slab.byteLength);
      slab.set(part);
      this.#append(slab.subarray(0, part.byteLength), slab);
      at += part.byteLength;
    }
  }

  /** Copies bytes behind the last chunk, whose memory has room for them. */
  #extendLast(block: Buffer, bytes: Uint8Array): void {
    const from = this.#blockUsed;
    block.set(bytes, from);
    this.#blockUsed = from + bytes.byteLength;
    const last = this.#chunks.length - 1;
    this.#chunks[last] = block.subarray(0, this.#blockUsed);
    if (this.#cursorChunk > last) {
      this.#cursorChunk = last;
      this.#cursorByte = from;
    }
  }

  /** The next `bytes` bytes, as parts of the chunks they were written in. Moves the cursor. */
  #take(bytes: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let left = bytes;
    while (left > 0) {
      const chunk = this.#chunks[this.#cursorChunk] as Uint8Array;
      const from = this.#cursorByte;
      const to = Math.min(chunk.byteLength, from + left);
      pieces.push(from === 0 && to === chunk.byteLength ? chunk : chunk.subarray(from, to));
      left -= to - from;
      this.#cursorByte = to;
      if (to === chunk.byteLength) {
        this.#cursorChunk += 1;
        this.#cursorByte = 0;
      }
    }
    this.#cursor += bytes;
    return pieces;
  }

  /** Forgets `bytes` acknowledged bytes at the front. */
  #drop(bytes: number): void {
    let skip = this.#skip + bytes;
    let whole = 0;
    while (whole < this.#chunks.length) {
      const chunkBytes = (this.#chunks[whole] as Uint8Array).byteLength;
      if (skip < chunkBytes) break;
      skip -= chunkBytes;
      whole += 1;
    }
    this.#skip = skip;
    if (whole === 0) return;
    // Acknowledged bytes are sent no more, and a channel keeps no pieces of what it was lent.
    for (const chunk of this.#chunks.splice(0, whole)) giveBackSlab(chunk);
    this.#cursorChunk -= whole;
    if (this.#chunks.length === 0) this.#block = undefined;
  }
}

function joined(frame: Buffer, pieces: readonly Uint8Array[]): Buffer {
  let at = DATA_HEADER_BYTES;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.byteLength;
  }
  return frame;
}
