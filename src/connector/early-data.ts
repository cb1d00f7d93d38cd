/**
 * What arrives on a stream before its origin is connected: kept, in order, until somebody takes it.
 *
 * Bounded by what the initiator may send before ACCEPT, and by the stream's window behind it: nothing that is kept here is
 * acknowledged.
 */
import type { Stream } from '../protocol/stream.ts';

export class EarlyData {
  #chunks: Uint8Array[] = [];
  #hasEnded = false;
  #isClosed = false;
  #onChange: () => void = () => undefined;

  /** Becomes the handler of `stream`; `onClose` is called when that ends before replay(). */
  constructor(stream: Stream, onClose: () => void) {
    stream.handler = {
      onData: (chunk) => {
        this.#chunks.push(chunk);
        this.#onChange();
      },
      onEnd: () => {
        this.#hasEnded = true;
        this.#onChange();
      },
      onWritable: () => undefined,
      onClose: () => {
        this.#isClosed = true;
        this.#onChange();
        onClose();
      },
    };
  }

  /** Whether no more will arrive. */
  get isOver(): boolean {
    return this.#hasEnded || this.#isClosed;
  }

  /** Takes the first `most` bytes, or as many as there are. Whoever takes them acknowledges them. */
  take(most: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let left = most;
    while (left > 0) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) break;
      if (chunk.length > left) this.#chunks.unshift(chunk.subarray(left));
      taken.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    }
    return Buffer.concat(taken);
  }

  /** Calls `listener` whenever something arrived or ended. */
  watch(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Gives the stream's handler of now all that was kept. */
  replay(stream: Stream): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    for (const chunk of chunks) stream.handler.onData(chunk);
    if (this.#hasEnded) stream.handler.onEnd();
  }
}
