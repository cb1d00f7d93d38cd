/**
 * How much each socket may read in one turn of the event loop.
 *
 * libuv reads up to 2 MiB from one socket before it looks at the next. With fifty busy uploads a turn took 0.1 to 0.4 s: everybody
 * else waited for that long, and a link with the downloads of many got no more of it than one upload. So what a turn may read is
 * divided by the sockets that read in the last one, and a link has several shares.
 */
import type { Duplex } from 'node:stream';

/** What may be read in a turn, bytes: some 4 ms of work. Once it is used up each share is the least one. */
const TURN_BYTES = 1024 * 1024;
/** The least a share is, bytes. With less, bulk costs more system calls; with more, turns get long. */
const LEAST_BYTES = 128 * 1024;
/** Shorter reads are not counted, bytes: where they come, there is no more to read. */
const SHORT_BYTES = 4 * 1024;
/** Shares of a link, which brings what many sockets do. */
export const LINK_SHARES = 8;

let turn = 0;
/** What was read in the present turn, bytes, and the shares of those who read it. */
let readBytes = 0;
let readShares = 0;
let shareBytes = TURN_BYTES;
/** Sockets that have read theirs. */
const waiting = new Set<Duplex>();

/**
 * Returns what to call with the bytes of each read. It returns false when the socket must not read on now: it is resumed in the next
 * turn, unless it was paused meanwhile.
 */
export function takeTurns(socket: Duplex, shares: number): (bytes: number) => boolean {
  let lastTurn = -1;
  let ownBytes = 0;
  return (bytes) => {
    if (bytes < SHORT_BYTES) return true;
    if (readShares === 0) setImmediate(endTurn);
    if (lastTurn !== turn) {
      lastTurn = turn;
      ownBytes = 0;
      readShares += shares;
    }
    readBytes += bytes;
    ownBytes += bytes;
    const share = readBytes < TURN_BYTES ? shareBytes : LEAST_BYTES;
    if (ownBytes < share * shares) return true;
    waiting.add(socket);
    return false;
  };
}

function endTurn(): void {
  turn += 1;
  shareBytes = Math.max(LEAST_BYTES, TURN_BYTES / readShares);
  readBytes = 0;
  readShares = 0;
  const held = [...waiting];
  waiting.clear();
  for (const socket of held) {
    if (!socket.destroyed && !socket.isPaused()) socket.resume();
  }
}
