/**
 * A response that goes over HTTP/2, in the shape that the HTTP path works with.
 *
 * The invariant: `close` comes once, when the response is written or its user has left, and nothing the stream does later
 * reaches anybody. What is left of an upload after the whole response is refused with RST_STREAM NO_ERROR (RFC 9113 §8.1).
 */
import { EventEmitter } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { PosternError } from '../../core/error.ts';
import type { UserResponse } from '../http/user/user-message.ts';
import type { Http2Request } from './http2-request.ts';
import { writeHead } from './http2-fields.ts';

/** Node's constants do not know it. */
const EARLY_HINTS = 103;

export class Http2Response extends EventEmitter implements UserResponse {
  readonly #stream: ServerHttp2Stream;
  readonly #request: Http2Request;
  readonly #onLastBytes: () => void;
  #isEnded = false;
  #isOver = false;
  #isCut = false;

  /** `onLastBytes` is called before the end is sent. */
  constructor(stream: ServerHttp2Stream, request: Http2Request, onLastBytes: () => void) {
    super();
    this.#onLastBytes = onLastBytes;
    this.#stream = stream;
    this.#request = request;
    const over = (): void => this.#over();
    stream.on('drain', () => this.emit('drain'));
    stream.once('aborted', over);
    stream.once('close', over);
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  get destroyed(): boolean {
    return this.#isOver;
  }

  /** Known when it has closed. Node's streams do not say: one whose last bytes have left may close unfinished. */
  get writableFinished(): boolean {
    const { rstCode, aborted } = this.#stream;
    return this.#isEnded && !aborted && rstCode === constants.NGHTTP2_NO_ERROR;
  }

  /** We broke it off ourselves. */
  get isCut(): boolean {
    return this.#isCut;
  }

  writeHead(status: number, _reason: string, headers: string[]): this {
    const head = writeHead(status, headers);
    // What says how a gRPC call ended says that nothing follows: its clients take an end of its own for a cut.
    const endStream = head['grpc-status'] !== undefined;
    if (!this.#isGone) this.#stream.respond(head, { endStream });
    return this;
  }

  /** The head went out with writeHead(). */
  // oxlint-disable-next-line class-methods-use-this
  flushHeaders(): void {}

  writeContinue(): void {
    this.#inform({ ':status': constants.HTTP_STATUS_CONTINUE });
  }

  writeEarlyHints({ link }: { link: string }): void {
    this.#inform({ ':status': EARLY_HINTS, link });
  }

  write(chunk: Uint8Array, onWritten?: (error?: Error | null) => void): boolean {
    // HEAD, 204 and the like have ended with their head.
    if (this.#isGone || this.#stream.writableEnded) return true;
    return this.#stream.write(chunk, onWritten);
  }

  end(chunk?: Uint8Array | string): void {
    if (this.#isOver || this.#isEnded) return;
    this.#isEnded = true;
    this.#onLastBytes();
    const stream = this.#stream;
    if (!stream.writableEnded) stream.end(chunk);
    if (this.#request.complete) return;
    // Waits for the last of the response to be written.
    stream.close(constants.NGHTTP2_NO_ERROR);
    stream.resume();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isCut = true;
    // Not close(): it ends the stream before it resets it, and half a response would look whole.
    this.#stream.destroy(new PosternError('HTTP_ABORTED', 'Cannot finish the response'));
  }

  /** Nobody takes anything any more. The stream knows before it says so, and throws at who asks it for more. */
  get #isGone(): boolean {
    return this.#isOver || this.#stream.closed || this.#stream.destroyed;
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
