/**
 * Reads of a socket that are lent, not given: all sockets of the process read into one piece of memory.
 *
 * Node allocates 64 KiB for every read. Where bytes are copied anyway that memory dies at once, and collecting it cost a third
 * of the time of a bulk copy. `onread` of `net.connect()` avoids it; sockets that were accepted have no such option, so this
 * does to any socket what the option does. Where Node keeps its read buffer elsewhere, and for what was read before, bytes come
 * with 'data' as always. See docs/decisions/0010-lent-reads.md.
 */
import { Socket, type ConnectOpts, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { takeTurns } from './read-turns.ts';

/** What libuv asks the kernel for at once, bytes. */
const READ_BYTES = 64 * 1024;

/** Between two reads nobody needs what is in it. */
const memory = Buffer.allocUnsafeSlow(READ_BYTES);

/** Gets bytes that are only there until it returns. False: read no more until `resume()`. */
export type OnLent = (bytes: Buffer) => boolean;

/** Where Node keeps the buffer and the callback of `onread`. */
interface ReadKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
}

interface Lending {
  _handle?: { useUserBuffer?(buffer: Buffer): void } | null;
  [key: symbol]: unknown;
}

const keys = findKeys();

/**
 * From now on `socket` gives what it reads to `onLent`. False when it cannot lend, being no socket or of a Node that does it in
 * another way; then all of it comes out of 'data' events, in which nobody sees what `onLent` returns. It takes turns with the others,
 * with so many `shares` (`read-turns.ts`).
 */
export function lendReads(socket: Duplex, onLent: OnLent, shares = 1): boolean {
  socket.on('data', onLent);
  const lending = socket as unknown as Lending;
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name.
  const handle = lending._handle;
  if (keys === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  const mayReadOn = takeTurns(socket, shares);
  lending[keys.buffer] = memory;
  lending[keys.callback] = (bytes: number): boolean => {
    const lent = memory.subarray(0, bytes);
    // What was read before is still to come, and comes first; and nobody is there yet, or no longer, for what comes to a pause.
    if (socket.readableLength > 0 || socket.readableFlowing !== true)
      return socket.push(Buffer.from(lent));
    return onLent(lent) && mayReadOn(bytes);
  };
  handle.useUserBuffer(memory);
  return true;
}

function goOn(): boolean {
  return true;
}

function findKeys(): ReadKeys | undefined {
  // The option is documented for `net.connect()`, which hands it on to the socket.
  const options: SocketConstructorOpts & ConnectOpts = {
    onread: { buffer: memory, callback: goOn },
  };
  const probe = new Socket(options);
  const symbols = Object.getOwnPropertySymbols(probe);
  const held = probe as unknown as Lending;
  const bufferKey = symbols.find((key) => held[key] === memory);
  const callbackKey = symbols.find((key) => held[key] === goOn);
  if (bufferKey === undefined || callbackKey === undefined) return undefined;
  return { buffer: bufferKey, callback: callbackKey };
}
