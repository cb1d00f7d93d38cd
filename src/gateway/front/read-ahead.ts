/**
 * Reads the first bytes of a connection until they say enough, and leaves the rest for whoever gets it.
 *
 * Bounded by whoever parses, which must throw at bytes it will never understand, and by a time. Afterwards the socket is as
 * new, with what was not used still to be read.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import type { ErrorCode } from '../../core/error-codes.ts';
import { PosternError } from '../../core/error.ts';
import { formatDuration } from '../../core/duration.ts';

export interface ReadAhead<Value> {
  readonly clock: Clock;
  readonly limitMs: number;
  /** What is waited for, for messages: "the PROXY header". */
  readonly what: string;
  /** The code of a connection on which it does not come. */
  readonly code: ErrorCode;
  /** Undefined where more has to come. `used`: bytes that nobody else gets. */
  parse(bytes: Buffer): { readonly value: Value; readonly used: number } | undefined;
  done(value: Value): void;
  /** The connection is the caller's, as it is. Also for one that was closed: then with code STREAM_CANCELLED. */
  failed(error: unknown): void;
}

/** Calls done() or failed() once. */
export function readAhead<Value>(socket: Socket, options: ReadAhead<Value>): void {
  const gathered = new Gathered();
  const { what, limitMs, code } = options;
  const timer = options.clock.after(limitMs, () => {
    const why = `it did not come within ${formatDuration(limitMs)}`;
    fail(new PosternError(code, `Cannot read ${what}: ${why}`));
  });
  const stop = (): void => {
    timer.cancel();
    socket.off('readable', onReadable).off('end', onEnd).off('close', onClose);
  };
  const fail = (error: unknown): void => {
    stop();
    options.failed(error);
  };
  const onReadable = (): void => {
    let chunk: unknown = socket.read();
    for (; Buffer.isBuffer(chunk); chunk = socket.read()) gathered.add(chunk);
    if (gathered.bytes.length === 0) return;
    let found: ReturnType<typeof options.parse>;
    try {
      found = options.parse(gathered.bytes);
    } catch (error) {
      fail(error);
      return;
    }
    if (found === undefined) return;
    stop();
    const rest = gathered.bytes.subarray(found.used);
    if (rest.length > 0) socket.unshift(rest);
    options.done(found.value);
  };
  const onEnd = (): void => {
    const isEmpty = gathered.bytes.length === 0;
    const why = 'the connection ended before';
    // Probes connect and leave; that is nothing to speak of.
    fail(new PosternError(isEmpty ? 'STREAM_CANCELLED' : code, `Cannot read ${what}: ${why}`));
  };
  const onClose = (): void => {
    fail(new PosternError('STREAM_CANCELLED', `Cannot read ${what}: the connection broke`));
  };
  socket.on('readable', onReadable).on('end', onEnd).on('close', onClose);
}

/** Bytes that come in pieces. Room doubles, so that many small ones cost no more than a few. */
class Gathered {
  #room = Buffer.alloc(0);
  #length = 0;

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length);
  }

  add(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(length, this.#room.length * 2, 256));
      this.bytes.copy(room);
      this.#room = room;
    }
    chunk.copy(this.#room, this.#length);
    this.#length = length;
  }
}
