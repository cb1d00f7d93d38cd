/**
 * Joins a TCP, TLS or Unix socket and a stream: bytes, half-close, resets and back-pressure both ways.
 *
 * Bytes count as handed on when the kernel took them. FIN becomes FIN and RST becomes RST in either direction; any other
 * broken end becomes a RST too, so that nobody mistakes a cut transfer for a complete one.
 * The socket must be half-open capable (`allowHalfOpen: true`).
 */
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { codeOf, messageOf } from '../core/error.ts';
import type { AcceptInfo } from '../protocol/message/stream-opening.ts';
import type { Stream } from '../protocol/stream.ts';
import { lendReads } from './lent-reads.ts';
import { giveBackSlab } from '../protocol/slab.ts';

export interface PumpEvents {
  /** The other endpoint has connected its origin. */
  onAccept?(info: AcceptInfo): void;
  /** The stream ended; see `stream.error`. */
  onClose?(): void;
}

/** How often a socket that is not being read is asked whether its peer is still there, ms. */
const PROBE_MS = 1_000;

/** Chunks from this size on are bulk: nobody waits for one of them. */
const BULK_BYTES = 16 * 1024;

const NOTHING = new Uint8Array(0);

/** Joins the two until both have ended. The stream's handler is taken over. */
export function pumpSocket(socket: Duplex, stream: Stream, events: PumpEvents = {}): void {
  const pump = new SocketPump(socket, stream);
  stream.handler = {
    onAccept: (info) => events.onAccept?.(info),
    onData(chunk) {
      if (chunk.byteLength >= BULK_BYTES) gatherWrites(socket);
      socket.write(chunk, (error) => {
        // What was not handed on must not be acknowledged.
        if (error) return;
        stream.consume(chunk.byteLength);
        if (isSocket(socket)) giveBackSlab(chunk);
      });
    },
    onEnd: () => socket.end(),
    onWritable: () => pump.resume(),
    onClose(error) {
      pump.stop();
      if (error !== undefined) abortSocket(socket);
      events.onClose?.();
    },
  };
  // Either may have ended before they were joined; nobody would tell again.
  if (stream.state === 'closed') abortSocket(socket);
  if (socket.destroyed) stream.reset('STREAM_RESET', messageOf(socket.errored ?? 'it is closed'));
}

/**
 * Holds writes back until this turn of the event loop has read what there is: the kernel takes them in one call then. A call for
 * each 64 KiB costs a tenth of a bulk copy.
 */
function gatherWrites(socket: Duplex): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  setImmediate(() => socket.uncork());
}

/** The direction from the socket into the stream, and how the socket ends. */
class SocketPump {
  readonly #socket: Duplex;
  readonly #stream: Stream;
  #probe: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, stream: Stream) {
    this.#socket = socket;
    this.#stream = stream;
    const onBytes = (bytes: Buffer): boolean => {
      const mayContinue = stream.write(bytes);
      if (!mayContinue) this.#pause();
      return mayContinue;
    };
    lendReads(socket, onBytes);
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) => {
      const isReset = codeOf(error) === 'ECONNRESET' || codeOf(error) === 'EPIPE';
      stream.reset(isReset ? 'STREAM_RESET' : 'STREAM_CANCELLED', messageOf(error));
    });
    socket.on('close', () => {
      this.stop();
      if (socket.readableEnded && socket.writableFinished) return;
      stream.reset('STREAM_CANCELLED', 'the socket was closed');
    });
  }

  resume(): void {
    this.stop();
    this.#socket.resume();
  }

  /** Asks no more whether the peer is there. */
  stop(): void {
    clearInterval(this.#probe);
  }

  #pause(): void {
    this.#socket.pause();
    this.#watchUnread();
  }

  /**
   * What reads as the peer's end may be a reset: libuv reports one that arrives right behind data as an end, and the
   * other endpoint would take a cut transfer for a complete one. A write of no bytes tells: the kernel refuses it on a
   * connection that was reset.
   */
  #onEnd(): void {
    const socket = this.#socket;
    this.#watchUnread();
    // With bytes under way the writing side finds out about a reset by itself, before the FIN is sent.
    if (!isSocket(socket) || !socket.writable || socket.writableLength > 0) this.#stream.end();
    else socket.write(NOTHING, (error) => void (error ?? this.#stream.end()));
  }

  /** The kernel says nothing about a socket that nobody reads or writes: a reset would go unnoticed, for good. */
  #watchUnread(): void {
    const socket = this.#socket;
    this.stop();
    if (!isSocket(socket)) return;
    this.#probe = setInterval(() => {
      if (!socket.writable) this.stop();
      else if (socket.writableLength === 0) socket.write(NOTHING);
    }, PROBE_MS);
  }
}

/**
 * Ends a socket so that its peer sees a reset where the kind of socket can say so. Under TLS the connection below is
 * reset: an end without close_notify is an orderly end to curl, to Node and to many others. Safe to call twice.
 */
export function abortSocket(socket: Duplex): void {
  if (socket.destroyed) return;
  if (!isSocket(socket)) {
    socket.destroy();
    return;
  }
  // While the FIN of end() is on its way to the kernel Node can neither reset the socket nor close it any more.
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    socket.once('finish', () => abortSocket(socket));
    return;
  }
  const carrier = carrierOf(socket);
  if (carrier !== undefined) resetWhenClosed(carrier);
  if (carrier === undefined && !('encrypted' in socket)) resetNow(socket);
  else socket.destroy();
}

/** The TCP connection under a TLS socket; undefined for any other, and for TLS over something else. */
export function carrierOf(socket: Duplex): Socket | undefined {
  // Node has no public name for it.
  const carrier: unknown = 'encrypted' in socket ? Reflect.get(socket, '_parent') : undefined;
  return carrier instanceof Socket ? carrier : undefined;
}

/**
 * Has the connection under a TLS socket reset where the TLS socket would close it. To reset it oneself, from outside,
 * crashes Node 20 when the TLS socket is used before it has heard of that.
 */
function resetWhenClosed(carrier: Socket): void {
  carrier.destroy = () => {
    Reflect.deleteProperty(carrier, 'destroy');
    resetNow(carrier);
    return carrier;
  };
}

function resetNow(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // A Unix socket.
    socket.destroy();
  }
}

/** A `net.Socket` of any kind. Its address does not tell: one that was reset has none. */
function isSocket(socket: Duplex): socket is Socket {
  return 'resetAndDestroy' in socket;
}
