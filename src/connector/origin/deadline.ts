/**
 * One signal that ends a piece of work, whichever comes first: the caller no longer wants it, or its time is over.
 *
 * `signal.reason` is always the coded error to reject with, so the work in between needs to know neither.
 * A deadline must be released: it listens on a signal that lives as long as the stream.
 */
import type { Clock } from '../../core/clock.ts';
import { PosternError } from '../../core/error.ts';

export class Deadline {
  readonly #abort = new AbortController();
  readonly #release: () => void;

  /** Ends with ORIGIN_TIMEOUT and the message of `describe` after `ms`, with STREAM_CANCELLED when `parent` aborts. */
  constructor(clock: Clock, ms: number, parent: AbortSignal, describe: () => string) {
    const cancel = (): void => this.#abort.abort(cancelled(parent));
    const timer = clock.after(ms, () =>
      this.#abort.abort(new PosternError('ORIGIN_TIMEOUT', describe())),
    );
    this.#release = () => {
      timer.cancel();
      parent.removeEventListener('abort', cancel);
    };
    if (parent.aborted) cancel();
    else parent.addEventListener('abort', cancel);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Stops the timer and the listening. Safe to call twice. */
  release(): void {
    this.#release();
  }
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts; `work` then runs on unheard. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const forget = (): void => signal.removeEventListener('abort', stop);
    work.finally(forget).then(resolve, reject);
  });
}

function cancelled(parent: AbortSignal): PosternError {
  return new PosternError('STREAM_CANCELLED', 'Cannot finish dialling: the stream was cancelled', {
    cause: parent.reason,
  });
}
