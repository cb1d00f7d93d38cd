/**
 * Which stream ids of a link are used: the dialler's are odd, the accepter's even, and each side's only grow.
 * See docs/protocol.md §3.
 */
import { PosternError } from '../core/error.ts';

/** Ids are 32 bits on the wire. */
const ID_END = 2 ** 32;

export class StreamIds {
  #next: number;
  #lastOfPeer: number;

  constructor(isDialler: boolean) {
    this.#next = isDialler ? 1 : 2;
    this.#lastOfPeer = isDialler ? 0 : -1;
  }

  /** The id of the next stream that this side opens. */
  get next(): number {
    return this.#next;
  }

  /** Whether there is one. */
  get hasNext(): boolean {
    return this.#next < ID_END;
  }

  /** The next one is taken. */
  useNext(): void {
    this.#next += 2;
  }

  /** Throws PROTO_BAD_STREAM_ID for an id that the peer may not open. */
  check(id: number): void {
    if (id > this.#lastOfPeer && (id - this.#lastOfPeer) % 2 === 0) return;
    throw new PosternError(
      'PROTO_BAD_STREAM_ID',
      `Cannot open stream ${id}: the last one was ${this.#lastOfPeer}`,
    );
  }

  /** The peer has opened it. */
  usedByPeer(id: number): void {
    this.#lastOfPeer = id;
  }

  /** Whether either side has opened it at some time. */
  wasOpened(id: number): boolean {
    const isPeers = id % 2 === Math.abs(this.#lastOfPeer % 2);
    return isPeers ? id <= this.#lastOfPeer : id < this.#next;
  }
}
