/** The numbers of some streams: how many are open, how those that ended did, and the bytes of all. */
import { outcomeOf } from './outcome.ts';
import { Tally } from './tally.ts';

/** Which way bytes go. `to-origin` is what users send. */
export type ByteDirection = 'to-origin' | 'from-origin';

export class StreamCounts {
  /** Streams that are open now, attached or not. */
  open = 0;
  /** Ended streams by `kind` and `outcome`. */
  readonly ended = new Tally('kind', 'outcome');
  readonly bytes: Record<ByteDirection, number> = { 'to-origin': 0, 'from-origin': 0 };

  /** A stream was opened. Each needs one streamClosed(). */
  streamOpened(): void {
    this.open += 1;
  }

  /** A stream ended: cleanly in both directions where there is no error. */
  streamClosed(kind: 'http' | 'tcp', error?: unknown): void {
    this.open -= 1;
    this.ended.add(kind, outcomeOf(error));
  }

  /** Payload bytes moved. Cheap: meant for every chunk. */
  addBytes(direction: ByteDirection, bytes: number): void {
    this.bytes[direction] += bytes;
  }
}
