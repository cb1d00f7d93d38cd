/**
 * The body of a user's request on its way to the origin.
 *
 * A thin stand-in for the request, because undici destroys the stream it is given when a response comes early,
 * and that would take the user's connection with it. Nothing is buffered: pausing pauses the socket. Nothing is read
 * until undici asks, so that a body whose request was never sent can be sent elsewhere, and so that `100 Continue` goes
 * out only when the origin is connected.
 */
import { EventEmitter } from 'node:events';
import { requestTrailers } from '../fields/trailers.ts';
import type { BodyMeter } from '../limits/body-meter.ts';
import type { Trailers } from '../origin/send-trailers.ts';
import type { UserRequest } from '../user/user-message.ts';

export interface RequestBodyOptions {
  /** Called when the origin could take the first byte, which comes after `begin()`. Default at once. */
  readonly onStart?: ((begin: () => void) => void) | undefined;
  /** Called when there is no byte yet, a moment after the body began. */
  readonly onLate?: (() => void) | undefined;
  /** Called in place of `end` where there are trailers that an origin may have; it calls that. Default at once. */
  readonly onTrailers?: ((trailers: Trailers, end: () => void) => void) | undefined;
  /** Where bytes are counted. */
  readonly count: { bytesReceived: number };
  /** What limits it. Default nothing. */
  readonly meter?: BodyMeter | undefined;
  /** So much of the beginning is kept until forget(), so that it can be read again. Default nothing. */
  readonly keepBytes?: number;
}

export class RequestBody extends EventEmitter {
  readonly #request: UserRequest;
  readonly #options: RequestBodyOptions;
  #isAsked = false;
  #isStarted = false;
  #isPaused = false;
  #hasBytes = false;
  #isDetached = false;
  #isEnded = false;
  /** What was read so far; undefined once it is more than is kept. */
  #kept: Buffer[] | undefined;
  #keptBytes = 0;
  /** To be read again. */
  #again: Buffer[] | undefined;

  constructor(request: UserRequest, options: RequestBodyOptions) {
    super();
    this.#request = request;
    this.#options = options;
    if ((options.keepBytes ?? 0) > 0) this.#kept = [];
  }

  /** Whether anything of the body was read. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Whether it would be read from its beginning. */
  get isUnread(): boolean {
    return !this.#isStarted || this.#again !== undefined;
  }

  /** Whether all of the body was read. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** What the origin may have of the trailers, names and values in turn; once `end` has come. */
  get trailers(): string[] {
    return requestTrailers(this.#request.rawTrailers, this.#request.rawHeaders);
  }

  /** Undici asks for `pipe` to tell a stream from an iterable, and never calls it. */
  pipe(): never {
    throw new TypeError('a RequestBody is read through its events');
  }

  resume(): this {
    if (this.#isDetached) return this;
    this.#isPaused = false;
    if (this.#isStarted) {
      this.#options.meter?.wanted();
      if (this.#again !== undefined) this.#readAgain(this.#again);
      this.#request.resume();
    } else if (!this.#isAsked) {
      this.#isAsked = true;
      const { onStart } = this.#options;
      if (onStart === undefined) this.#begin();
      else onStart(() => this.#begin());
    }
    return this;
  }

  /** Has it read from its beginning once more, by somebody else. False, and nothing happens, where too much is gone. */
  rewind(): boolean {
    if (this.#isDetached || this.#kept === undefined) return false;
    this.removeAllListeners();
    if (!this.#isStarted) return true;
    this.pause();
    this.#again = this.#kept;
    return true;
  }

  /** Nobody will read it again. */
  forget(): void {
    this.#kept = undefined;
  }

  pause(): this {
    if (this.#isDetached) return this;
    this.#isPaused = true;
    this.#options.meter?.paused();
    this.#request.pause();
    return this;
  }

  /** Stops reading and leaves the rest of the body where it is. Safe to call twice. */
  destroy(): this {
    if (this.#isDetached) return this;
    this.#isDetached = true;
    this.#options.meter?.over();
    if (!this.#isStarted) return this;
    this.#request.off('data', this.#onData);
    this.#request.off('end', this.#onEnd);
    if (!this.#isEnded) this.#request.pause();
    return this;
  }

  #begin(): void {
    if (this.#isDetached || this.#isStarted) return;
    this.#isStarted = true;
    this.#request.on('data', this.#onData);
    this.#request.on('end', this.#onEnd);
    this.#request.on('error', this.#onError);
    // An HTTP/2 stream without a byte ends by itself, before anybody has asked for it.
    if (this.#request.readableEnded) process.nextTick(this.#onEnd);
    if (!this.#isPaused) {
      this.#options.meter?.wanted();
      this.#request.resume();
    }
    const { onLate } = this.#options;
    if (onLate === undefined) return;
    setImmediate(() => {
      if (!this.#hasBytes && !this.#isEnded && !this.#isDetached) onLate();
    });
  }

  #readAgain(chunks: readonly Buffer[]): void {
    this.#again = undefined;
    for (const chunk of chunks) this.emit('data', chunk);
    if (this.#isEnded) this.#end();
  }

  #end(): void {
    const end = (): void => void this.emit('end');
    const { onTrailers } = this.#options;
    const fields = onTrailers === undefined ? [] : this.trailers;
    if (onTrailers === undefined || fields.length === 0) end();
    else onTrailers({ fields, isBodyEmpty: !this.#hasBytes }, end);
  }

  #keep(chunk: Buffer): void {
    this.#keptBytes += chunk.length;
    if (this.#keptBytes > (this.#options.keepBytes ?? 0)) this.forget();
    else this.#kept?.push(chunk);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#hasBytes = true;
    this.#options.count.bytesReceived += chunk.length;
    if (this.#options.meter?.came(chunk.length) === false) return;
    if (this.#kept !== undefined) this.#keep(chunk);
    this.emit('data', chunk);
  };

  readonly #onEnd = (): void => {
    // An HTTP/2 stream that its user gives up ends as well.
    if (!this.#request.complete || this.#isDetached || this.#isEnded) return;
    this.#isEnded = true;
    this.#options.meter?.over();
    this.#end();
  };

  readonly #onError = (error: Error): void => {
    if (!this.#isDetached) this.emit('error', error);
  };
}
