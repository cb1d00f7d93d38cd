/**
 * A WebSocket from its Upgrade request to its last byte.
 *
 * Until the origin answers 101 nothing the user sends after the head is looked at or passed on (P13); any other answer is
 * an ordinary response, after which the connection closes (P14). After 101 bytes flow raw both ways, under backpressure,
 * with half-close. Does not parse WebSocket messages.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PosternError } from '../../../core/error.ts';
import { responseOn } from '../user/client-response.ts';
import { toOriginError } from '../origin/origin-error.ts';
import type { RequestRecord } from '../request-record.ts';
import { FrameFollower, closeFrame } from './websocket-frames.ts';

/** How long one direction may live on after the other has ended, ms. WebSocket peers close at once. */
const HALF_CLOSED_MS = 30_000;

/** How long a closing WebSocket waits for the end of the frame that is under way, and then for the user's Close, ms. */
const CLOSE_MS = 1_000;

/** The user's side of an upgrade that the origin has not answered yet. */
export class PendingUpgrade {
  readonly #request: IncomingMessage;
  readonly #socket: Socket;
  readonly #head: Buffer;
  #isSettled = false;
  #onAbort: (() => void) | undefined;
  #onEnd: (() => void) | undefined;

  constructor(request: IncomingMessage, socket: Socket, head: Buffer) {
    this.#request = request;
    this.#socket = socket;
    this.#head = head;
    socket.on('close', this.#aborted);
    // Without somebody reading, a user who leaves would not be noticed. What has been read stays in the buffer.
    socket.on('end', this.#aborted);
    socket.on('readable', this.#lookForEnd);
  }

  /** Whether the user has left, or had an answer. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Called once when the user leaves before there is an answer. */
  set onAbort(callback: () => void) {
    this.#onAbort = callback;
  }

  /** Called once when the request is over and no WebSocket came of it. */
  set onEnd(callback: () => void) {
    this.#onEnd = callback;
  }

  /** The answer is not 101: a response on the socket, and the last thing on it. */
  respond(): ServerResponse {
    this.#settle();
    const response = responseOn(this.#request, this.#socket);
    response.once('close', () => this.#onEnd?.());
    return response;
  }

  /** The answer is 101. `rawHead` goes to the user, then everything flows. */
  accept(rawHead: string, origin: Duplex, record: RequestRecord): LiveUpgrade {
    this.#settle();
    this.#socket.write(rawHead, 'latin1');
    return new LiveUpgrade(this.#socket, this.#head, origin, record);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#socket.off('close', this.#aborted);
    this.#socket.off('end', this.#aborted);
    this.#socket.off('readable', this.#lookForEnd);
  }

  readonly #aborted = (): void => {
    if (this.#isSettled) return;
    this.#settle();
    this.#socket.destroy();
    this.#onAbort?.();
    this.#onEnd?.();
  };

  readonly #lookForEnd = (): void => {
    if (this.#socket.readableLength === 0) this.#socket.read();
  };
}

/** Two sockets joined after a 101. */
export class LiveUpgrade {
  readonly record: RequestRecord;
  /** Called once, when both sides are closed. */
  onEnd: (() => void) | undefined;
  readonly #user: Socket;
  readonly #origin: Duplex;
  readonly #frames = new FrameFollower();
  #timer: NodeJS.Timeout | undefined;
  #closeFrame: Buffer | undefined;
  #isOver = false;

  constructor(user: Socket, head: Buffer, origin: Duplex, record: RequestRecord) {
    this.#user = user;
    this.#origin = origin;
    this.record = record;
    user.setTimeout(0);
    user.on('data', (bytes: Buffer) => this.#fromUser(bytes));
    origin.on('data', (bytes: Buffer) => this.#fromOrigin(bytes));
    this.#couple(user, origin, (error) => record.fail('HTTP_ABORTED', error));
    this.#couple(origin, user, (error) => record.fail(toOriginError(error).code, error));
    if (head.length > 0) user.unshift(head);
    user.resume();
    origin.resume();
  }

  /**
   * Ends the WebSocket with a Close frame to the user, between two of the origin's frames, and resets the stream to the
   * origin. `error` is what the access log will say. Takes at most 2 × CLOSE_MS. Safe to call twice.
   */
  close(status: number, error: PosternError): void {
    if (this.#isOver || this.#closeFrame !== undefined) return;
    this.record.fail(error.code, error);
    // The code, not the message: messages say why, and users are not told why.
    this.#closeFrame = closeFrame(status, error.code);
    this.#restartTimer(CLOSE_MS);
    this.#closeAtBoundary();
  }

  /** Ends both sides at once, without a word. */
  destroy(): void {
    this.#user.destroy();
    this.#origin.destroy();
  }

  #fromUser(bytes: Buffer): void {
    // Once we are closing, only the user's own Close is still to come, and it is ours to read.
    if (this.#closeFrame !== undefined) return;
    this.record.bytesReceived += bytes.length;
    if (!this.#origin.write(bytes)) this.#user.pause();
  }

  #fromOrigin(bytes: Buffer): void {
    let whole = bytes;
    if (this.#closeFrame === undefined) this.#frames.push(bytes);
    else whole = bytes.subarray(0, this.#frames.pushToBoundary(bytes));
    this.record.bytesSent += whole.length;
    if (!this.#user.write(whole)) this.#origin.pause();
    this.#closeAtBoundary();
  }

  #closeAtBoundary(): void {
    const frame = this.#closeFrame;
    if (frame === undefined || !this.#frames.isAtBoundary || this.#user.writableEnded) return;
    this.#user.end(frame);
    this.#origin.destroy();
    this.#user.resume();
    this.#restartTimer(CLOSE_MS);
  }

  /** What is the same in both directions: resuming, half-close, and what an end or a break of one side does to the other. */
  #couple(from: Duplex, to: Duplex, onError: (error: Error) => void): void {
    from.on('error', onError);
    to.on('drain', () => from.resume());
    from.on('end', () => {
      to.end();
      if (this.#closeFrame === undefined) this.#restartTimer(HALF_CLOSED_MS);
    });
    from.on('close', () => {
      const isWhole = from.readableEnded && from.errored === null;
      if (!isWhole && this.#closeFrame === undefined) to.destroy();
      this.#sideClosed();
    });
  }

  #sideClosed(): void {
    if (this.#isOver || !this.#user.destroyed || !this.#origin.destroyed) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.onEnd?.();
  }

  #restartTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), ms);
    this.#timer.unref();
  }
}
