/**
 * Blocks of memory of one size for bulk data, used again and again.
 *
 * A chunk that a socket has just read lives until the peer has consumed it, which is long enough for the garbage collector to
 * take it for permanent; and V8 collects each time 32 to 64 MiB of such chunks were allocated, dead or not. Without slabs that
 * was a quarter of the time of a bulk copy.
 */

/** Free slabs that a pool keeps: with 64 KiB each, 16 MiB. */
const KEPT_SLABS = 256;

export class SlabPool {
  readonly #slabBytes: number;
  readonly #free: Buffer[] = [];
  readonly #own = new WeakSet<ArrayBufferLike>();

  /** `slabBytes` is the size of each slab. */
  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  /** A slab with anything in it. Whoever drops one without giving it back leaves it to the garbage collector. */
  take(): Buffer {
    const kept = this.#free.pop();
    if (kept !== undefined) return kept;
    const slab = Buffer.allocUnsafeSlow(this.#slabBytes);
    this.#own.add(slab.buffer);
    return slab;
  }

  /**
   * Gives back the slab under `part`, if it is one of this pool. Nobody may look at it any more: what is there next may be
   * somebody else's, and must never get to be seen.
   */
  giveBack(part: Uint8Array): void {
    if (!this.#own.has(part.buffer) || this.#free.length >= KEPT_SLABS) return;
    this.#free.push(Buffer.from(part.buffer));
  }
}
