/**
 * A response that goes over HTTP/2, in the shape that the HTTP path works with.
 *
 * The invariant: `close` comes once, when the response is written or its user has left, and nothing the stream does later
 * reaches anybody. What is left of an upload after the whole response is refused with RST_STREAM NO_ERROR (RFC 9113 §8.1).
 * The head waits for the first byte or for flushHeaders(): where there is no byte, it is the end of the stream as well,
 * which is how gRPC knows a call that failed at once.
 */
import { EventEmitter } from 'node:events';
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { PosternError } from '../../core/error.ts';
import type { UserResponse } from '../http/user/user-message.ts';
import type { Http2Request } from './http2-request.ts';
import { writeHead, writeTrailers } from './http2-fields.ts';

/** Node's constants do not know it. */
const EARLY_HINTS = 103;

/** The last that RFC 9110 §15 has a class for. */
const MAX_STATUS = 599;

export interface Http2ResponseHooks {
  /** Called before the end is sent. */
  onLastBytes(): void;
  /** Called when the stream is no response any more: takeOver(). */
  onTakenOver(response: Http2Response): void;
}

export class Http2Response extends EventEmitter implements UserResponse {
  readonly #stream: ServerHttp2Stream;
  readonly #request: Http2Request;
  readonly #hooks: Http2ResponseHooks;
  /** Not sent yet. */
  #head: OutgoingHttpHeaders | undefined;
  #trailers: OutgoingHttpHeaders | undefined;
  #isEnded = false;
  #isOver = false;
  #isCut = false;
  #isTakenOver = false;
  /** Bytes that were handed over, that the user had taken when it was last looked at, and since when. */
  #handed = 0;
  #taken = -1;
  #takenAt = 0;

  constructor(stream: ServerHttp2Stream, request: Http2Request, hooks: Http2ResponseHooks) {
    super();
    this.#hooks = hooks;
    this.#stream = stream;
    this.#request = request;
    const over = (): void => this.#over();
    stream.on('drain', () => this.emit('drain'));
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.once('aborted', over);
    stream.once('close', over);
  }

  get headersSent(): boolean {
    return this.#head !== undefined || this.#stream.headersSent;
  }

  get destroyed(): boolean {
    return this.#isOver;
  }

  /** Known when it has closed. Node's streams do not say: one whose last bytes have left may close unfinished. */
  get writableFinished(): boolean {
    const { rstCode, aborted } = this.#stream;
    const isEnded = this.#isEnded || this.#isTakenOver;
    return isEnded && !aborted && rstCode === constants.NGHTTP2_NO_ERROR;
  }

  /** We broke it off ourselves. */
  get isCut(): boolean {
    return this.#isCut;
  }

  writeHead(status: number, _reason: string, headers: string[]): this {
    // Node sends no other, and would say so too late.
    if (status > MAX_STATUS) throw new RangeError(`HTTP/2 has no status ${status}`);
    this.#head = writeHead(status, headers);
    return this;
  }

  flushHeaders(): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    if (this.#isGone) return;
    // What says how a gRPC call ended says that nothing follows: its clients take an end of its own for a cut.
    const endStream = head['grpc-status'] !== undefined;
    // Behind a body whose length is known there is nothing either.
    const waitForTrailers = !endStream && head['content-length'] === undefined;
    this.#stream.respond(head, { endStream, waitForTrailers });
  }

  writeContinue(): void {
    this.#inform({ ':status': constants.HTTP_STATUS_CONTINUE });
  }

  writeProcessing(): void {
    this.#inform({ ':status': constants.HTTP_STATUS_PROCESSING });
  }

  writeEarlyHints({ link }: { link: string }): void {
    this.#inform({ ':status': EARLY_HINTS, link });
  }

  write(chunk: Uint8Array, onWritten?: (error?: Error | null) => void): boolean {
    this.flushHeaders();
    // HEAD, 204 and the like have ended with their head.
    if (this.#isGone || this.#stream.writableEnded) return true;
    this.#handed += chunk.length;
    return this.#stream.write(chunk, onWritten);
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#trailers = writeTrailers(trailers);
  }

  /** Breaks it off where the user has taken nothing of what is ready for more than `mostMs`. */
  cutStalled(now: number, mostMs: number): void {
    const { writableLength } = this.#stream;
    const taken = this.#handed - writableLength;
    if (writableLength === 0 || taken !== this.#taken) {
      this.#taken = taken;
      this.#takenAt = now;
    } else if (now - this.#takenAt > mostMs) {
      this.destroy();
    }
  }

  end(chunk?: Uint8Array | string): void {
    if (this.#isOver || this.#isEnded) return;
    this.#isEnded = true;
    this.#hooks.onLastBytes();
    const stream = this.#stream;
    const isEmpty = chunk === undefined || chunk.length === 0;
    if (isEmpty && this.#trailers === undefined) this.#respondEmpty();
    else this.flushHeaders();
    if (!stream.writableEnded) stream.end(chunk);
    if (this.#request.complete) return;
    stream.resume();
    // Waits for the last of the response to be written, but not for trailers.
    if (this.#trailers === undefined) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isCut = true;
    // Not close(): it ends the stream before it resets it, and half a response would look whole.
    this.#stream.destroy(new PosternError('HTTP_ABORTED', 'Cannot finish the response'));
  }

  /**
   * Answers 200 with these fields, after which the stream carries bytes of another protocol both ways. destroy() still
   * breaks it off. The user must not have left.
   */
  takeOver(fields: readonly string[]): ServerHttp2Stream {
    this.#isTakenOver = true;
    this.#stream.respond(writeHead(constants.HTTP_STATUS_OK, fields));
    this.#hooks.onTakenOver(this);
    return this.#stream;
  }

  /** Nobody takes anything any more. The stream knows before it says so, and throws at who asks it for more. */
  get #isGone(): boolean {
    return this.#isOver || this.#stream.closed || this.#stream.destroyed;
  }

  #respondEmpty(): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = undefined;
    if (!this.#isGone) this.#stream.respond(head, { endStream: true });
  }

  #sendTrailers(): void {
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return;
    stream.sendTrailers(this.#trailers ?? {});
    if (this.#trailers === undefined || this.#request.complete) return;
    // A reset overtakes trailers. Whoever answers a PING has read them.
    stream.session?.ping(() => {
      if (!stream.closed && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  #inform(headers: Record<string, string | number>): void {
    if (!this.#isGone && !this.headersSent) this.#stream.additionalHeaders(headers);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.emit('close');
  }
}
