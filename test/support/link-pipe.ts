/**
 * One direction of a connection through the link proxy: takes what one socket reads, and hands it on later, in order.
 *
 * Each parcel carries the time it is due, and one timer serves the whole queue, so that a long delay costs no
 * throughput: what is in flight is bounded by bytes, as on a real path, not by a count of timers. Ends (FIN, RST) travel
 * in the queue behind the data before them.
 */
import type { Socket } from 'node:net';

import { resetSocket, whenPeerEnds, type PeerEnd } from './real/peer-end.ts';

export interface LinkPipeOptions {
  /** How long each byte is under way, in ms. */
  readonly delayMs: number;
  /**
   * Told of each chunk before it is handed on. A result stops the pipe: only the first `pass` bytes of the chunk go
   * out, and `done` is called when the socket took them.
   */
  readonly onChunk: (
    bytes: number,
  ) => { readonly pass: number; readonly done: () => void } | undefined;
}

/** In flight at most, in bytes: 4 Gbit/s with 75 ms. A path without delay holds next to nothing. */
const FLIGHT_BYTES = 64 * 1024 * 1024;
const DIRECT_BYTES = 256 * 1024;

/** How long the socket may take to send the bytes before a cut, in ms. */
const LAST_WRITE_MS = 500;

/** What is under way: bytes, or the end of them. */
interface Parcel {
  readonly dueAt: number;
  readonly load: Buffer | PeerEnd;
}

export class LinkPipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #options: LinkPipeOptions;
  readonly #limitBytes: number;
  #parcels: Parcel[] = [];
  #head = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isFrozen = false;
  #isFull = false;
  #isStopped = false;

  constructor(from: Socket, to: Socket, options: LinkPipeOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#limitBytes = options.delayMs > 0 ? FLIGHT_BYTES : DIRECT_BYTES;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    whenPeerEnds(from, (end) => this.#take(end));
    to.on('drain', () => {
      this.#isFull = false;
      this.#deliver();
    });
  }

  /** Stops reading and delivering, and keeps all that is under way. */
  freeze(): void {
    this.#isFrozen = true;
    this.#from.pause();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Goes on where `freeze` stopped. */
  thaw(): void {
    this.#isFrozen = false;
    this.#deliver();
  }

  /** Drops all that is under way, for good. */
  stop(): void {
    this.#isStopped = true;
    this.#parcels = [];
    clearTimeout(this.#timer);
  }

  #take(load: Parcel['load']): void {
    if (this.#isStopped) return;
    this.#parcels.push({ dueAt: performance.now() + this.#options.delayMs, load });
    if (typeof load !== 'string') {
      this.#bytes += load.byteLength;
      if (this.#bytes >= this.#limitBytes) this.#from.pause();
    }
    // With a delay the timer is set already, or the head of the queue is held back by something else.
    if (this.#timer === undefined) this.#deliver();
  }

  #deliver(): void {
    this.#timer = undefined;
    if (this.#isFrozen || this.#isStopped) return;
    const now = performance.now();
    this.#to.cork();
    while (!this.#isFull && !this.#isStopped) {
      const parcel = this.#parcels[this.#head];
      if (parcel === undefined) break;
      if (parcel.dueAt > now) {
        this.#timer = setTimeout(() => this.#deliver(), Math.ceil(parcel.dueAt - now));
        break;
      }
      this.#head += 1;
      this.#hand(parcel.load);
    }
    this.#to.uncork();
    this.#compact();
    if (!this.#isStopped && this.#bytes < this.#limitBytes) this.#from.resume();
  }

  #hand(load: Parcel['load']): void {
    if (load === 'fin') {
      this.#to.end();
    } else if (load === 'reset') {
      resetSocket(this.#to);
    } else {
      this.#bytes -= load.byteLength;
      const stop = this.#options.onChunk(load.byteLength);
      if (stop === undefined) {
        this.#isFull = !this.#to.write(load);
        return;
      }
      this.stop();
      // A peer that reads nothing must not put off its own end.
      const late = setTimeout(stop.done, LAST_WRITE_MS);
      this.#to.write(load.subarray(0, stop.pass), () => {
        clearTimeout(late);
        stop.done();
      });
    }
  }

  #compact(): void {
    if (this.#head < 1024 && this.#head < this.#parcels.length) return;
    this.#parcels.splice(0, this.#head);
    this.#head = 0;
  }
}
