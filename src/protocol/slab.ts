/**
 * Blocks of memory for bulk data that waits for its acknowledgement, used again and again.
 *
 * A chunk that a socket has just read lives until the peer has consumed it, which is long enough for the garbage collector to
 * take it for permanent: freeing such chunks cost a quarter of the time of a bulk copy. Copied here, they die young.
 */

/** Size of a slab, bytes: one read of a socket, one DATA frame. */
const SLAB_BYTES = 64 * 1024;

/** Free slabs that are kept, 16 MiB. */
const KEPT_SLABS = 256;

const free: Buffer[] = [];
const known = new WeakSet<ArrayBufferLike>();

/** A slab with anything in it. */
export function takeSlab(): Buffer {
  const kept = free.pop();
  if (kept !== undefined) return kept;
  const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  known.add(slab.buffer);
  return slab;
}

/**
 * Gives back the slab behind `part`, if there is one. Nobody may read it any more: what is there next may be somebody
 * else's, and the peer must never get to see it.
 */
export function giveBackSlab(part: Uint8Array): void {
  if (!known.has(part.buffer) || free.length >= KEPT_SLABS) return;
  free.push(Buffer.from(part.buffer));
}
