/**
 * A WebSocket from the origin's 101 to its last byte: bytes flow raw both ways, under backpressure, with half-close.
 *
 * Whether its user speaks HTTP/1.1 or HTTP/2 is not known here. Does not parse WebSocket messages.
 */
import type { Duplex } from 'node:stream';
import type { PosternError } from '../../../core/error.ts';
import { toOriginError } from '../origin/origin-error.ts';
import type { RequestRecord } from '../record/request-record.ts';
import { FrameFollower, closeFrame } from './websocket-frames.ts';

/** How long one direction may live on after the other has ended, ms. WebSocket peers close at once. */
const HALF_CLOSED_MS = 30_000;

/** How long a closing WebSocket waits for the end of the frame that is under way, and then for the user's Close, ms. */
const CLOSE_MS = 1_000;

/** The user's end of a live WebSocket. */
export interface UserEnd {
  readonly stream: Duplex;
  /** Whether the user ended their direction, rather than broke it. Asked when the stream has closed. */
  endedWell(): boolean;
  /** Breaks it off, so that the user sees it. */
  cut(): void;
}

/** Two ends joined after a 101. */
export class LiveUpgrade {
  readonly record: RequestRecord;
  /** Called once, when both sides are closed. */
  onEnd: (() => void) | undefined;
  readonly #end: UserEnd;
  readonly #user: Duplex;
  readonly #origin: Duplex;
  readonly #frames = new FrameFollower();
  #timer: NodeJS.Timeout | undefined;
  #closeFrame: Buffer | undefined;
  #isCut = false;
  #isOver = false;

  constructor(end: UserEnd, origin: Duplex, record: RequestRecord) {
    const user = end.stream;
    this.#end = end;
    this.#user = user;
    this.#origin = origin;
    this.record = record;
    user.on('data', (bytes: Buffer) => this.#fromUser(bytes));
    origin.on('data', (bytes: Buffer) => this.#fromOrigin(bytes));
    user.on('error', (error) => {
      if (!this.#isCut) record.fail('HTTP_ABORTED', error);
    });
    origin.on('error', (error) => record.fail(toOriginError(error).code, error));
    this.#couple(user, origin);
    this.#couple(origin, user);
    user.on('close', () => {
      this.#closed(end.endedWell(), () => origin.destroy());
    });
    origin.on('close', () => {
      this.#closed(origin.readableEnded && origin.errored === null, () => this.#cutUser());
    });
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
    this.#cutUser();
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

  /** What is the same in both directions: resuming, and half-close. */
  #couple(from: Duplex, to: Duplex): void {
    to.on('drain', () => from.resume());
    from.on('end', () => {
      to.end();
      if (this.#closeFrame === undefined) this.#restartTimer(HALF_CLOSED_MS);
    });
  }

  /** One side has closed; where it broke, so does the other. */
  #closed(isWhole: boolean, breakOther: () => void): void {
    if (!isWhole && this.#closeFrame === undefined) breakOther();
    if (this.#isOver || !this.#user.destroyed || !this.#origin.destroyed) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.onEnd?.();
  }

  #cutUser(): void {
    this.#isCut = true;
    this.#end.cut();
  }

  #restartTimer(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), ms);
    this.#timer.unref();
  }
}
