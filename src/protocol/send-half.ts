/**
 * The sending direction of a stream: what the application wrote and the peer has not acknowledged. See docs/protocol.md §5.3 and §5.4.
 *
 * This is the replay buffer and the send queue in one. Three offsets move through it: `base` (acknowledged) ≤ `cursor`
 * (sent on the present link) ≤ `end` (written). FIN takes the position behind the last byte. Bytes are kept by reference,
 * and large frames refer to them too.
 */
import { PosternError } from '../core/error.ts';
import type { OutgoingFrame } from './frame-channel.ts';
import { DATA_HEADER_BYTES, encodeDataHeader, encodeFin } from './frame.ts';

/** Less than this is copied into one frame; more goes out in pieces, because copying it costs more than a longer list. */
const COPY_BELOW_BYTES = 4 * 1024;

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

  write(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
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

  /** Whether a peer may claim to have received up to `received`. */
  canResumeAt(received: number): boolean {
    return received >= this.#base && received <= this.#cursor;
  }

  /** Continues sending at `received`, which canResumeAt() has approved. */
  resumeAt(received: number): void {
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
    this.#base = this.#end;
    this.#cursor = this.#end;
    this.#finAt = undefined;
    return freed;
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
    this.#chunks.splice(0, whole);
    this.#cursorChunk -= whole;
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
