/**
 * The body of one request as far as its user is responsible for it: how large it is, and that it comes.
 *
 * Counts only the time in which it is the user's turn: a body that an origin does not read hurts nobody but the origin. Once
 * the origin answers, and where both sides may talk whenever they like (gRPC), silence is between the two. Cases P31, P36.
 */
import type { HttpLimits } from '../../../config/http-limits.ts';
import { formatDuration } from '../../../core/duration.ts';
import { PosternError } from '../../../core/error.ts';
import { bodyTooLarge } from './request-limits.ts';
import type { StallWatch, WatchedBody } from './stall-watch.ts';

export interface BodyMeterOptions {
  readonly watch: Pick<StallWatch, 'add' | 'delete' | 'now'>;
  readonly limits: Pick<HttpLimits, 'bodyTimeoutMs' | 'requestTimeoutMs'>;
  /** The largest body, bytes. */
  readonly maxBytes: number;
  /** Both sides may talk whenever they like. */
  readonly isConversation: boolean;
  /** Called at most once. */
  readonly fail: (error: PosternError) => void;
}

export class BodyMeter implements WatchedBody {
  readonly #options: BodyMeterOptions;
  readonly #beganAt: number;
  /** Since when the next byte is waited for. */
  #waitsSince: number | undefined;
  #bytes = 0;
  #isOver = false;

  constructor(options: BodyMeterOptions) {
    this.#options = options;
    this.#beganAt = options.watch.now();
    options.watch.add(this);
  }

  /** The origin is ready for more. */
  wanted(): void {
    if (!this.#isOver) this.#waitsSince ??= this.#options.watch.now();
  }

  /** The origin is not. */
  paused(): void {
    this.#waitsSince = undefined;
  }

  /** Some of it has come. False where that is too much: it is to go nowhere, and the request has failed. */
  came(bytes: number): boolean {
    const { watch, maxBytes } = this.#options;
    if (this.#isOver) return true;
    if (this.#waitsSince !== undefined) this.#waitsSince = watch.now();
    this.#bytes += bytes;
    if (this.#bytes <= maxBytes) return true;
    this.#fail(bodyTooLarge(maxBytes));
    return false;
  }

  /** The origin answers: silence is its business from now on. The size still counts. */
  answered(): void {
    this.#options.watch.delete(this);
  }

  /** All of it has come, or nobody wants the rest. Safe to call twice. */
  over(): void {
    this.#isOver = true;
    this.#options.watch.delete(this);
  }

  look(now: number): void {
    const { limits, isConversation } = this.#options;
    if (isConversation) return;
    const { bodyTimeoutMs, requestTimeoutMs } = limits;
    if (isPast(this.#waitsSince, bodyTimeoutMs, now)) {
      this.#fail(tooSlow(`nothing of its body came for ${formatDuration(bodyTimeoutMs)}`));
    } else if (isPast(this.#beganAt, requestTimeoutMs, now)) {
      this.#fail(tooSlow(`it is not here after ${formatDuration(requestTimeoutMs)}`));
    }
  }

  #fail(error: PosternError): void {
    this.over();
    this.#options.fail(error);
  }
}

function isPast(since: number | undefined, most: number, now: number): boolean {
  return since !== undefined && most > 0 && now - since > most;
}

function tooSlow(why: string): PosternError {
  return new PosternError('HTTP_TIMEOUT', `Cannot go on with the request: ${why}`);
}
