/**
 * One request on an HTTP/2 connection to an origin, told to the same handler that undici's requests are told to.
 *
 * The invariant: the handler hears of exactly one end, whole or failed, unless it gave the request up itself. Bytes go through
 * under backpressure in both directions, and neither waits for the other: an answer may begin before the request ends.
 */
import { STATUS_CODES } from 'node:http';
import { constants, type ClientHttp2Stream } from 'node:http2';
import type { Dispatcher } from 'undici';
import type { Clock, Timer } from '../../../core/clock.ts';
import { PosternError, codeOf, isPosternError } from '../../../core/error.ts';
import { STALE_CONNECTION } from './origin-error.ts';
import { rawFields, trailerFields } from './http2-head.ts';

/** The body of a request, as exchange.ts has it. */
export interface Http2Body {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  resume(): unknown;
  pause(): unknown;
  /** Stops reading; what is left stays where it is. */
  destroy(): unknown;
  /** Has somebody else read it from its beginning. False where that cannot be. */
  rewind(): boolean;
  /** Nobody will have to read it again. */
  forget(): void;
  /** Names and values in turn, once it has ended. */
  readonly trailers?: readonly string[];
}

export interface Http2CallOptions {
  readonly stream: ClientHttp2Stream;
  readonly handler: Dispatcher.DispatchHandler;
  readonly body: Http2Body | Buffer | undefined;
  readonly clock: Clock;
  /** How long the origin may take to begin its answer once it has the request, ms. 0: no limit. */
  readonly headersTimeoutMs: number;
  /** Whether the origin has said that it never looked at this request. */
  readonly wasLeftOut: (stream: ClientHttp2Stream) => boolean;
}

/** What Node tells of a head: its fields as an object, flags, and names and values in turn. */
type HeadArguments = [headers: Record<string, unknown>, flags: number, raw: string[]];

export class Http2Call {
  readonly #options: Http2CallOptions;
  readonly #stream: ClientHttp2Stream;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #body: Http2Body | undefined;
  #waiting: Timer | undefined;
  #trailers: Buffer[] = [];
  #error: Error | undefined;
  #hasAnswer = false;
  /** All of the body was sent. */
  #isSent = false;
  #isOver = false;

  /** Takes over a stream whose head is on its way. */
  constructor(options: Http2CallOptions) {
    const { stream, handler, body } = options;
    this.#options = options;
    this.#stream = stream;
    this.#handler = handler;
    stream.on('error', (error) => {
      this.#error ??= error;
    });
    stream.on('headers', (...args: unknown[]) => this.#onInformation(headIn(args)));
    stream.once('response', (...args: unknown[]) => this.#onResponse(headIn(args)));
    stream.once('trailers', (...args: unknown[]) => {
      this.#trailers = rawFields(headIn(args)[2]);
    });
    stream.once('close', () => this.#onClose());
    handler.onConnect?.(() => this.#giveUp());
    if (this.#isOver) return;
    if (body === undefined || Buffer.isBuffer(body)) {
      if (body !== undefined) stream.end(body);
      this.#waitForAnswer();
      return;
    }
    this.#body = body;
    this.#send(body);
  }

  #send(body: Http2Body): void {
    const stream = this.#stream;
    stream.once('wantTrailers', () => {
      if (!stream.closed && !stream.destroyed)
        stream.sendTrailers(trailerFields(body.trailers ?? []));
    });
    stream.on('drain', () => {
      if (!stream.closed) body.resume();
    });
    body.on('data', (chunk) => {
      if (stream.destroyed || stream.writableEnded) return;
      if (!stream.write(chunk)) body.pause();
    });
    body.on('end', () => {
      this.#isSent = true;
      if (!stream.destroyed) stream.end();
      this.#waitForAnswer();
    });
    body.on('error', (error) => this.#fail(error));
    body.resume();
  }

  #waitForAnswer(): void {
    const { headersTimeoutMs, clock } = this.#options;
    if (headersTimeoutMs === 0 || this.#hasAnswer || this.#isOver) return;
    this.#waiting = clock.after(headersTimeoutMs, () => {
      const message = 'Cannot get a response from the origin: it did not begin to answer in time';
      this.#fail(new PosternError('ORIGIN_TIMEOUT', message));
    });
  }

  #onInformation([headers, , raw]: HeadArguments): void {
    if (this.#isOver) return;
    this.#handler.onResponseStarted?.();
    this.#handler.onHeaders?.(statusIn(headers), rawFields(raw), () => undefined, '');
  }

  #onResponse([headers, flags, raw]: HeadArguments): void {
    if (this.#isOver) return;
    this.#hasAnswer = true;
    this.#waiting?.cancel();
    this.#body?.forget();
    const stream = this.#stream;
    const status = statusIn(headers);
    const handler = this.#handler;
    handler.onResponseStarted?.();
    const reason = STATUS_CODES[status] ?? '';
    const goesOn = handler.onHeaders?.(status, rawFields(raw), () => stream.resume(), reason);
    if (this.#isOver) return;
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      // At once, so that whoever passes it on can end with the head as well: gRPC tells errors this way.
      stream.resume();
      this.#complete();
      return;
    }
    stream.on('data', (chunk: Buffer) => {
      if (!this.#isOver && handler.onData?.(chunk) === false) stream.pause();
    });
    stream.once('end', () => {
      // One that was broken off ends as well.
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted) this.#complete();
    });
    if (goesOn === false) stream.pause();
  }

  #complete(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // Undici's types say strings, and its handlers get this.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    this.#handler.onComplete?.(this.#trailers as unknown as string[]);
    // What is left of the body has nowhere to go, and may never come.
    if (this.#body !== undefined && !this.#isSent) {
      this.#stream.close(constants.NGHTTP2_NO_ERROR);
    }
  }

  #onClose(): void {
    this.#waiting?.cancel();
    const reason = this.#isOver ? undefined : this.#reason();
    // One that was not looked at may be sent again.
    const isStale = codeOf(reason) === STALE_CONNECTION;
    if (!isStale || this.#body?.rewind() !== true) this.#body?.destroy();
    if (reason !== undefined) this.#end(reason);
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#end(error);
  }

  #end(error: Error): void {
    this.#isOver = true;
    this.#waiting?.cancel();
    this.#handler.onError?.(error);
  }

  /** Nobody wants the answer any more. */
  #giveUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting?.cancel();
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Why the stream closed without a whole answer. */
  #reason(): Error {
    const { rstCode } = this.#stream;
    const wasRefused = rstCode === constants.NGHTTP2_REFUSED_STREAM;
    if (!this.#hasAnswer && (wasRefused || this.#options.wasLeftOut(this.#stream))) {
      const message = 'the origin took no more requests on this connection';
      return Object.assign(new Error(message, { cause: this.#error }), { code: STALE_CONNECTION });
    }
    if (isPosternError(this.#error)) return this.#error;
    const isBroken = rstCode === constants.NGHTTP2_PROTOCOL_ERROR;
    const how = isBroken ? 'it is not valid HTTP/2' : `the origin ended it with code ${rstCode}`;
    const message = `Cannot get the whole response: ${how}`;
    return new PosternError(isBroken ? 'ORIGIN_BAD_RESPONSE' : 'ORIGIN_RESET', message, {
      cause: this.#error,
    });
  }
}

/** Node's types do not know of the last. */
function headIn(args: unknown[]): HeadArguments {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return args as HeadArguments;
}

function statusIn(headers: Record<string, unknown>): number {
  return Number(headers[':status']);
}
