/**
 * Follows WebSocket frames in a byte stream just far enough to know where one ends (RFC 6455 §5.2).
 *
 * A gateway that must end somebody else's WebSocket can only say why between two frames. Keeps a header's worth of
 * state and never looks at payloads; on bytes that are no WebSocket its answers mean nothing, and harm nothing.
 */

/** Longest frame header: two bytes, a 64-bit length, a mask. */
const MAX_HEADER_BYTES = 14;

export class FrameFollower {
  readonly #header = new Uint8Array(MAX_HEADER_BYTES);
  #headerBytes = 0;
  #payloadLeft = 0;

  /** Whether the bytes so far end where a frame ends. */
  get isAtBoundary(): boolean {
    return this.#headerBytes === 0 && this.#payloadLeft === 0;
  }

  /** Reads on through `chunk`. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  /** Reads on to the next end of a frame; returns how many bytes of `chunk` that took, which may be all of them. */
  pushToBoundary(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && !this.isAtBoundary) at = this.#step(chunk, at);
    return at;
  }

  #step(chunk: Uint8Array, at: number): number {
    if (this.#payloadLeft > 0) {
      const skipped = Math.min(this.#payloadLeft, chunk.length - at);
      this.#payloadLeft -= skipped;
      return at + skipped;
    }
    this.#header[this.#headerBytes] = chunk[at] ?? 0;
    this.#headerBytes += 1;
    if (this.#headerBytes >= 2 && this.#headerBytes === this.#headerLength()) {
      this.#payloadLeft = this.#payloadLength();
      this.#headerBytes = 0;
    }
    return at + 1;
  }

  #headerLength(): number {
    const second = this.#header[1] ?? 0;
    const length = second & 0x7f;
    const extended = length === 127 ? 8 : length === 126 ? 2 : 0;
    return 2 + extended + ((second & 0x80) === 0 ? 0 : 4);
  }

  #payloadLength(): number {
    const length = (this.#header[1] ?? 0) & 0x7f;
    const view = new DataView(this.#header.buffer);
    if (length === 126) return view.getUint16(2);
    // Lengths above 2^53 lose their last bits; nobody sends 8 PiB in one frame.
    if (length === 127) return Number(view.getBigUint64(2));
    return length;
  }
}

/** An unmasked Close frame, as a server sends it. `reason` is cut to what a control frame may hold. */
export function closeFrame(code: number, reason: string): Buffer {
  const frame = Buffer.alloc(4 + 123);
  // Writes whole characters only: half a character would be a protocol error of ours.
  const { written } = new TextEncoder().encodeInto(reason, frame.subarray(4));
  frame[0] = 0x88;
  frame[1] = 2 + written;
  frame.writeUInt16BE(code, 2);
  return frame.subarray(0, 4 + written);
}
