/**
 * Looks after an HTTP/2 connection to an origin while requests are on it: whether the origin still answers PING.
 *
 * A connection carries the requests of many users, and an origin that vanished without a word would hold them all until their
 * time-outs, and get new ones meanwhile. One that only takes long to answer a request answers PING at once.
 */
import type { ClientHttp2Session } from 'node:http2';
import type { Clock, Timer } from '../../../core/clock.ts';
import { LIMITS } from '../../../core/limits.ts';

export interface Http2WatchOptions {
  readonly session: ClientHttp2Session;
  readonly clock: Clock;
  /** Called once when the origin is taken for dead. */
  readonly onDead: () => void;
}

export class Http2Watch {
  readonly #options: Http2WatchOptions;
  #timer: Timer | undefined;
  #isAsked = false;
  #silentRounds = 0;

  constructor(options: Http2WatchOptions) {
    this.#options = options;
  }

  /** Requests are on the connection. */
  start(): void {
    this.#silentRounds = 0;
    this.#later();
  }

  /** Nothing is any more. Safe to call twice. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #later(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(LIMITS.http2WatchMs, () => this.#look());
  }

  #look(): void {
    const { session, onDead } = this.#options;
    if (session.destroyed) return;
    this.#silentRounds = this.#isAsked ? this.#silentRounds + 1 : 0;
    if (this.#silentRounds >= LIMITS.http2SilentRounds) {
      this.stop();
      onDead();
      return;
    }
    if (!this.#isAsked) {
      this.#isAsked = true;
      session.ping((error) => {
        if (error === null) this.#isAsked = false;
      });
    }
    this.#later();
  }
}
