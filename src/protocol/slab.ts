/**
 * Blocks of memory for bulk data, used again and again: each holds one frame, on its way out or in.
 *
 * A chunk that a socket has just read lives until the peer has consumed it, which is long enough for the garbage collector to
 * take it for permanent; and V8 collects each time 32 to 64 MiB of such chunks were allocated, dead or not. Without slabs that
 * was a quarter of the time of a bulk copy. There is one pool for the process, so that what came in with a download is there for
 * an upload.
 */
import { LIMITS } from '../core/limits.ts';

/** Free slabs that are kept, 16 MiB. */
const KEPT_SLABS = 256;

const free: Buffer[] = [];
const known = new WeakSet<ArrayBufferLike>();

/**
 * `bytes` of a slab, with anything in them; LIMITS.frameBytes at most. Whoever drops it without giving it back leaves it to the
 * garbage collector.
 */
export function takeSlab(bytes: number): Buffer {
  const kept = free.pop();
  if (kept !== undefined) return kept.subarray(0, bytes);
  const slab = Buffer.allocUnsafeSlow(LIMITS.frameBytes);
  known.add(slab.buffer);
  return slab.subarray(0, bytes);
}

/**
 * Gives back the slab under `part`, if there is one. Nobody may look at it any more: what is there next may be somebody
 * else's, and must never get to be seen.
 */
export function giveBackSlab(part: Uint8Array): void {
  if (!known.has(part.buffer) || free.length >= KEPT_SLABS) return;
  free.push(Buffer.from(part.buffer));
}
