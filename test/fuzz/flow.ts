/**
 * An application at one end of a stream that writes a known text, reads at its own pace, and checks every byte it gets.
 */
import type { StreamEvents } from '../../src/protocol/stream-events.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import { patternBytes } from '../support/pattern.ts';

export interface FlowOptions {
  /** What it writes before it ends its direction. */
  readonly bytes: number;
  /** Bytes a write. */
  readonly pieceBytes: number;
  /** Where in the pattern its text begins, and that of the other end: no two streams have the same. */
  readonly text: number;
  readonly otherText: number;
  /** Turns of the event loop before what it got is handed on; 0 is at once. */
  readonly readEvery: number;
}

export class Flow implements StreamEvents {
  readonly stream: Stream;
  received = 0;
  hasEnd = false;
  /** 'cleanly', or the code; undefined while it lives. */
  closedWith: string | undefined;
  /** What went wrong, if anything did. */
  readonly faults: string[] = [];
  /** While true nothing is handed on. */
  isPaused = false;
  readonly #options: FlowOptions;
  #written = 0;
  #unread = 0;
  #turnsToRead = 0;

  constructor(stream: Stream, options: FlowOptions) {
    this.stream = stream;
    this.#options = options;
    stream.handler = this;
  }

  /** How much of what it wrote may have reached the other end. */
  get written(): number {
    return this.#written;
  }

  get isComplete(): boolean {
    return this.#written === this.#options.bytes;
  }

  /** Writes until it may not, and ends behind the last byte. */
  write(): void {
    const { bytes, pieceBytes, text } = this.#options;
    while (this.#written < bytes && this.stream.state !== 'closed') {
      const piece = patternBytes(Math.min(pieceBytes, bytes - this.#written), text + this.#written);
      this.#written += piece.byteLength;
      if (!this.stream.write(piece) && this.#written < bytes) return;
    }
    this.stream.end();
  }

  /** Once a turn: hands on what is due. */
  turn(): void {
    if (this.isPaused || this.#unread === 0) return;
    this.#turnsToRead -= 1;
    if (this.#turnsToRead > 0) return;
    this.#turnsToRead = this.#options.readEvery;
    this.#consume(Math.ceil(this.#unread / 2));
  }

  onData(chunk: Uint8Array): void {
    this.#expectLiving('data');
    if (this.hasEnd) this.faults.push('data behind the end');
    const expected = patternBytes(chunk.byteLength, this.#options.otherText + this.received);
    if (!expected.equals(chunk)) this.faults.push(`wrong bytes at ${this.received}`);
    this.received += chunk.byteLength;
    this.#unread += chunk.byteLength;
    if (this.#options.readEvery === 0 && !this.isPaused) this.#consume(this.#unread);
  }

  onEnd(): void {
    this.#expectLiving('end');
    if (this.hasEnd) this.faults.push('a second end');
    this.hasEnd = true;
  }

  onWritable(): void {
    this.#expectLiving('writable');
    this.write();
  }

  onClose(error: { code: string } | undefined): void {
    this.#expectLiving('close');
    this.closedWith = error?.code ?? 'cleanly';
  }

  #consume(bytes: number): void {
    this.#unread -= bytes;
    this.stream.consume(bytes);
  }

  #expectLiving(what: string): void {
    if (this.closedWith !== undefined) this.faults.push(`${what} behind the close`);
  }
}
