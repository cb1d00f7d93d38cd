/**
 * Joins a TCP, TLS or Unix socket and a stream: bytes, half-close, resets and back-pressure both ways.
 *
 * Bytes count as handed on when the kernel took them. FIN becomes FIN and RST becomes RST in either direction; any other
 * broken end becomes a RST too, so that nobody mistakes a cut transfer for a complete one.
 * The socket must be half-open capable (`allowHalfOpen: true`).
 */
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { codeOf, messageOf } from '../core/error.ts';
import type { AcceptInfo } from '../protocol/control-message.ts';
import type { Stream } from '../protocol/stream.ts';

export interface PumpEvents {
  /** The other endpoint has connected its origin. */
  onAccept?(info: AcceptInfo): void;
  /** The stream ended; see `stream.error`. */
  onClose?(): void;
}

/** Joins the two until both have ended. The stream's handler is taken over. */
export function pumpSocket(socket: Duplex, stream: Stream, events: PumpEvents = {}): void {
  socket.on('data', (chunk: Buffer) => {
    if (!stream.write(chunk)) socket.pause();
  });
  socket.on('end', () => stream.end());
  socket.on('error', (error) => {
    const isReset = codeOf(error) === 'ECONNRESET' || codeOf(error) === 'EPIPE';
    stream.reset(isReset ? 'STREAM_RESET' : 'STREAM_CANCELLED', messageOf(error));
  });
  socket.on('close', () => {
    if (socket.readableEnded && socket.writableFinished) return;
    stream.reset('STREAM_CANCELLED', 'the socket was closed');
  });
  stream.handler = {
    onAccept: (info) => events.onAccept?.(info),
    onData(chunk) {
      socket.write(chunk, () => stream.consume(chunk.byteLength));
    },
    onEnd: () => socket.end(),
    onWritable: () => socket.resume(),
    onClose(error) {
      if (error !== undefined) abortSocket(socket);
      events.onClose?.();
    },
  };
}

/** Ends a socket so that its peer sees a reset where the kind of socket can say so. */
export function abortSocket(socket: Duplex): void {
  if (socket.destroyed) return;
  if (canReset(socket)) socket.resetAndDestroy();
  else socket.destroy();
}

/** Only plain TCP can send RST: TLS and Unix sockets throw. */
function canReset(socket: Duplex): socket is Socket {
  return (
    'resetAndDestroy' in socket &&
    !('encrypted' in socket) &&
    'remoteAddress' in socket &&
    socket.remoteAddress !== undefined
  );
}
