/**
 * Puts small pieces of data together for an application that lags behind.
 *
 * A piece of one byte costs some 350 bytes while it waits in the queue of a socket. A peer that sends single bytes to
 * somebody who does not read would make 90 MB of a window of 256 KiB.
 */

/** Pieces from here on are worth handing on as they are, bytes. */
const LARGE_BYTES = 4 * 1024;
/** Pieces an application may have in hand before small ones are put together: nobody who types gets there. */
const PIECES_IN_HAND = 32;
/** Memory for what waits, bytes: twice as much each time, so that a little takes little. */
const FIRST_BLOCK_BYTES = 1024;
const LARGEST_BLOCK_BYTES = 16 * 1024;

export class SmallChunks {
  #inHandBytes = 0;
  #inHandPieces = 0;
  #block: Buffer | undefined;
  #used = 0;
  #nextBlockBytes = FIRST_BLOCK_BYTES;

  /** Takes a piece, and calls `hand` with what the application should get now, in order: nothing, or up to two pieces. */
  push(chunk: Uint8Array, hand: (chunk: Uint8Array) => void): void {
    const isSmall = chunk.byteLength < LARGE_BYTES && this.#inHandPieces >= PIECES_IN_HAND;
    const room = (this.#block?.byteLength ?? this.#nextBlockBytes) - this.#used;
    if (!isSmall || chunk.byteLength > room) this.flush(hand);
    if (!isSmall) {
      this.#hand(chunk, hand);
      return;
    }
    this.#block ??= this.#newBlock(chunk.byteLength);
    this.#block.set(chunk, this.#used);
    this.#used += chunk.byteLength;
  }

  /** The application handed on `bytes`. Once it has nothing in hand it gets what waits. */
  consumed(bytes: number, hand: (chunk: Uint8Array) => void): void {
    this.#inHandBytes -= bytes;
    if (this.#inHandBytes > 0) return;
    this.#inHandPieces = 0;
    this.#nextBlockBytes = FIRST_BLOCK_BYTES;
    this.flush(hand);
  }

  /** Calls `hand` with what waits, if anything does. */
  flush(hand: (chunk: Uint8Array) => void): void {
    const waiting = this.#block?.subarray(0, this.#used);
    this.#block = undefined;
    this.#used = 0;
    if (waiting !== undefined) this.#hand(waiting, hand);
  }

  #hand(chunk: Uint8Array, hand: (chunk: Uint8Array) => void): void {
    this.#inHandBytes += chunk.byteLength;
    this.#inHandPieces += 1;
    hand(chunk);
  }

  #newBlock(atLeastBytes: number): Buffer {
    const bytes = Math.max(this.#nextBlockBytes, atLeastBytes);
    this.#nextBlockBytes = Math.min(2 * bytes, LARGEST_BLOCK_BYTES);
    return Buffer.allocUnsafe(bytes);
  }
}
