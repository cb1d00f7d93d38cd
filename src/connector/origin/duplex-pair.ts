/**
 * Two ends of a connection in memory: what is written to one is read from the other, in order, as over TCP.
 *
 * Half-close works per direction. A write is called back when the other end has room, so a reader that stops stops the
 * writer after two high-water marks. Destroying an end is like close(2): the other reads to the end of what was sent,
 * or is reset when bytes got lost, unread or unsent. It never resets after having ended.
 */
import { Duplex } from 'node:stream';

/** A new pair. Each end is an ordinary stream of bytes, half-open allowed. */
export function createDuplexPair(): [Duplex, Duplex] {
  const one = new PairEnd();
  const two = new PairEnd();
  one.join(two);
  two.join(one);
  return [one, two];
}

type Callback = (error?: Error | null) => void;

class PairEnd extends Duplex {
  #other: PairEnd | undefined;
  /** Written and not yet given to the other end. */
  #chunk: Buffer | undefined;
  /** Of the write that is not called back yet, whether it was given to the other end or not. */
  #callback: Callback | undefined;
  #callbackBytes = 0;
  #hasEnded = false;

  constructor() {
    super({ allowHalfOpen: true });
  }

  join(other: PairEnd): void {
    this.#other = other;
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.#chunk = chunk;
    this.#callback = callback;
    this.#callbackBytes = chunk.byteLength;
    // Deferred, or two ends that answer each other would recurse.
    process.nextTick(() => this.#deliver());
  }

  override _final(callback: Callback): void {
    this.#endOther();
    callback();
  }

  override _read(): void {
    this.#other?.unblock();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const unsentBytes = this.writableLength - this.#callbackBytes;
    const hasUnread = this.readableLength > 0;
    const isReset = !this.#hasEnded && (hasUnread || unsentBytes > 0);
    const other = this.#other;
    this.#deliver();
    if (isReset) process.nextTick(() => other?.destroy(broken('ECONNRESET')));
    else this.#endOther();
    other?.unblock(hasUnread ? broken('EPIPE') : undefined);
    this.unblock(error ?? broken('EPIPE'));
    callback(error);
  }

  /** The other end has room again, or is gone. */
  unblock(error?: Error): void {
    // Not given to the other end yet: #deliver() finds out itself.
    if (this.#chunk !== undefined) return;
    const callback = this.#callback;
    this.#callback = undefined;
    this.#callbackBytes = 0;
    callback?.(error);
  }

  #deliver(): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    this.#chunk = undefined;
    if (this.#other?.destroyed !== false) this.unblock(broken('EPIPE'));
    else if (this.#other.push(chunk)) this.unblock();
  }

  #endOther(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#other?.destroyed === false) this.#other.push(null);
  }
}

function broken(code: 'EPIPE' | 'ECONNRESET'): Error {
  const isWrite = code === 'EPIPE';
  const reason = isWrite ? 'Cannot write: the other end is closed' : 'The other end was reset';
  return Object.assign(new Error(reason), { code });
}
