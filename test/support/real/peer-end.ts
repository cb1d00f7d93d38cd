/**
 * How a TCP connection ends: orderly with FIN, or with a reset. Seeing which one it was, and causing the latter.
 *
 * Node 20 reports a reset that arrives together with data as an orderly end. A write of no bytes tells them apart: the
 * kernel refuses it on a connection that was reset, and takes it on one that is only half-closed.
 */
import type { Socket } from 'node:net';

export type PeerEnd = 'fin' | 'reset';

/** Calls `told` once: when the peer's FIN was read, or with 'reset' when the connection broke without one. */
export function whenPeerEnds(socket: Socket, told: (end: PeerEnd) => void): void {
  let isTold = false;
  const tell = (end: PeerEnd): void => {
    if (isTold) return;
    isTold = true;
    told(end);
  };
  socket.on('error', () => tell('reset'));
  socket.on('close', () => tell('reset'));
  socket.on('end', () => {
    // Behind waiting bytes the probe would wait as well; those find out about a reset themselves.
    if (!socket.writable || socket.writableLength > 0) return tell('fin');
    socket.write(new Uint8Array(0), (error) => tell(error ? 'reset' : 'fin'));
  });
}

/** Resets the connection. Safe to call at any time, also after `end()`. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting) {
    socket.destroy();
  } else if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    // While a FIN is under way Node fails to reset the socket, loses it open, and Node 20 never exits.
    socket.once('finish', () => resetSocket(socket));
  } else {
    socket.resetAndDestroy();
  }
}

/** Resolves when the connection breaks with a reset. Rejects when it ends with FIN instead. */
export function whenReset(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    whenPeerEnds(socket.resume(), (end) => {
      if (end === 'reset') resolve();
      else reject(new Error('The connection ended with FIN, not with a reset'));
    });
  });
}
