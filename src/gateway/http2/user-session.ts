/**
 * One HTTP/2 connection of a user: hands out its requests, counts what hostile ones do, and ends it well.
 *
 * The invariant: what a user can make us do or hold by frames alone is bounded (LIMITS.http2…), and whoever goes beyond
 * loses the connection with ENHANCE_YOUR_CALM. Knows nothing of what requests say. Cases P31, P33, P34.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer } from '../../core/clock.ts';
import type { HttpLimits } from '../../config/http-limits.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { RateLimit } from '../../protocol/rate-limit.ts';
import { http2Options } from './http2-options.ts';
import { Http2Request, type Http2Arrival } from './http2-request.ts';
import { Http2Response, type Http2ResponseHooks } from './http2-response.ts';

/** What Node says of a new stream, in this order. */
type StreamEvent = [ServerHttp2Stream, IncomingHttpHeaders, number, string[]];

export interface UserSessionOptions {
  readonly clock: Clock;
  readonly limits: () => HttpLimits;
  onRequest(request: Http2Request, response: Http2Response): void;
  /** Called once, when the connection has closed; with why, where its user went too far. */
  onClose(flood: PosternError | undefined): void;
}

export class UserSession {
  readonly #socket: TLSSocket;
  readonly #options: UserSessionOptions;
  readonly #session: ServerHttp2Session;
  readonly #resets = new RateLimit(LIMITS.http2ResetsPerSecond, LIMITS.http2Resets);
  readonly #controls = new RateLimit(LIMITS.http2ControlFramesPerSecond, LIMITS.http2ControlFrames);
  /** Requests that came just now: at most `LIMITS.http2Streams`. */
  readonly #arrived: Http2Arrival[] = [];
  /** Requests under way and since when, the oldest first. Few, and not in a Map: see http/running-requests.ts. */
  readonly #open: { readonly response: Http2Response; readonly since: number }[] = [];
  /** Streams that carry WebSockets now. */
  readonly #webSockets = new Set<Http2Response>();
  /** Ends it when it is idle, or drains. */
  #idle: Timer | undefined;
  #watch: Timer | undefined;
  #bytesSeen = 0;
  #silentRounds = 0;
  #isDraining = false;
  #flood: PosternError | undefined;

  /** Takes over a TLS connection that has agreed on `h2`. */
  constructor(socket: TLSSocket, options: UserSessionOptions) {
    this.#socket = socket;
    this.#options = options;
    const session = performServerHandshake(socket, http2Options(options.limits()));
    this.#session = session;
    session.on('stream', (...args: unknown[]) => {
      // Node's types do not know of the last.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const [stream, headers, , rawHeaders] = args as StreamEvent;
      const rawTrailers: string[] = [];
      // Node's types do not know of the last.
      stream.once('trailers', (_fields: unknown, _flags: number, raw?: string[]) => {
        rawTrailers.push(...(raw ?? []));
      });
      this.#onStream({ stream, headers, rawHeaders, rawTrailers, socket });
    });
    const onControl = (): void => this.#onControl();
    session.on('ping', onControl);
    session.on('remoteSettings', onControl);
    // What a user's connection died of is theirs to know; its requests have said that they were aborted.
    session.on('error', () => undefined);
    socket.once('finish', () => this.#linger());
    socket.once('close', () => this.#onClosed());
    this.#closeAfter(options.limits().headerTimeoutMs);
    this.#watchLater();
  }

  /** Since when the oldest request has been under way, as performance.now() counts; undefined without any. */
  get busySince(): number | undefined {
    return this.#open[0]?.since;
  }

  /**
   * Tells the user to go elsewhere with new requests, and closes after the last. With an answer after which none is under
   * way, as `Connection: close` does; where that does not come soon, what crosses the GOAWAY is told to be unprocessed, and
   * clients ask again by themselves (RFC 9113 §8.7). Behind any GOAWAY Node's nghttp2 takes no stream, so the usual first
   * one, which promises to take them all, would leave these without an answer.
   */
  drain(): void {
    if (this.#isDraining || this.#session.destroyed) return;
    this.#isDraining = true;
    this.#after(LIMITS.http2MomentMs, () => this.#sendAway());
  }

  /** Breaks off responses of which the user has taken nothing for more than `mostMs`. */
  cutStalled(now: number, mostMs: number): void {
    for (const { response } of this.#open.slice()) response.cutStalled(now, mostMs);
  }

  /** Ends it at once. */
  destroy(): void {
    // Not the session: it would end its streams in good order, and half a response would look whole.
    this.#socket.destroy();
  }

  readonly #hooks: Http2ResponseHooks = {
    onLastBytes: () => {
      if (this.#isDraining && this.#open.length === 1 && !this.#session.destroyed)
        this.#session.close();
    },
    onTakenOver: (response) => {
      this.#forget(response);
      this.#webSockets.add(response);
    },
  };

  #onStream(arrival: Http2Arrival): void {
    const { stream } = arrival;
    stream.on('error', () => undefined);
    if (this.#flood !== undefined) return;
    const count = this.#arrived.push(arrival);
    // Once all that came in one go is parsed: what is given up in the same breath costs no origin anything (P33).
    if (count === 1) setImmediate(() => this.#takeArrived());
    else if (count >= LIMITS.http2Streams) this.#takeArrived();
  }

  #takeArrived(): void {
    for (const arrival of this.#arrived.splice(0)) this.#take(arrival);
  }

  #take(arrival: Http2Arrival): void {
    const { stream } = arrival;
    if (this.#flood !== undefined) return;
    if (stream.closed || stream.destroyed) {
      // Given up before we heard of it.
      this.#onReset();
      return;
    }
    if (!this.#isDraining) this.#idle?.cancel();
    const request = new Http2Request(arrival);
    const response = new Http2Response(stream, request, this.#hooks);
    this.#open.push({ response, since: performance.now() });
    stream.once('close', () => this.#onStreamClosed(response));
    this.#options.onRequest(request, response);
  }

  #onStreamClosed(response: Http2Response): void {
    this.#forget(response);
    this.#webSockets.delete(response);
    // Whoever broke it off: frames that make us reset a stream cost as much as a reset (CVE-2025-8671).
    if (!response.writableFinished && !response.isCut) this.#onReset();
    if (this.#isCarrying || this.#isDraining) return;
    this.#closeAfter(this.#options.limits().idleTimeoutMs);
  }

  #forget(response: Http2Response): void {
    const index = this.#open.findIndex((open) => open.response === response);
    if (index !== -1) this.#open.splice(index, 1);
  }

  get #isCarrying(): boolean {
    return this.#open.length + this.#webSockets.size > 0;
  }

  #onReset(): void {
    if (!this.#resets.take(this.#options.clock.now())) this.#calm('requests were given up');
  }

  #onControl(): void {
    if (!this.#controls.take(this.#options.clock.now())) this.#calm('PING and SETTINGS came');
  }

  #calm(what: string): void {
    if (this.#session.destroyed || this.#flood !== undefined) return;
    this.#flood = new PosternError(
      'HTTP_TOO_MANY',
      `Cannot go on with an HTTP/2 connection: too many ${what}`,
    );
    const code = constants.NGHTTP2_ENHANCE_YOUR_CALM;
    this.#session.goaway(code);
    // With destroy() alone the GOAWAY is not always written.
    setImmediate(() => this.#session.destroy(this.#flood, code));
  }

  #sendAway(): void {
    if (this.#session.closed || this.#session.destroyed) return;
    this.#session.goaway(constants.NGHTTP2_NO_ERROR);
    this.#closeAfter(LIMITS.http2GoawayMs);
    // Whoever answers has read the GOAWAY; a connection closed before might be reset, and the GOAWAY lost with it.
    this.#session.ping((error) => {
      if (error === null) this.#closeAfter(LIMITS.http2GoneMs);
    });
  }

  /** Closes after this time, when what is open then has ended. */
  #closeAfter(ms: number): void {
    this.#after(ms, () => {
      if (!this.#session.destroyed) this.#session.close();
    });
  }

  #after(ms: number, act: () => void): void {
    this.#idle?.cancel();
    this.#idle = this.#options.clock.after(ms, act);
  }

  /** Our end is closed. Node would wait for the user to close theirs, for ever. */
  #linger(): void {
    this.#options.clock.after(LIMITS.http2LingerMs, () => this.#socket.destroy());
  }

  #watchLater(): void {
    this.#watch = this.#options.clock.after(LIMITS.http2WatchMs, () => this.#look());
  }

  /**
   * Looks for a sign of life. After certain broken frames nghttp2 says GOAWAY and Node stops reading without a word to
   * anybody: neither the user's end nor the end of the session is ever noticed. A user who reads slowly gives signs, and
   * one who waits answers PING.
   */
  #look(): void {
    const { bytesRead } = this.#socket;
    const isBusy = this.#isCarrying || this.#session.destroyed;
    if (bytesRead !== this.#bytesSeen || !isBusy) this.#silentRounds = 0;
    else this.#silentRounds += 1;
    this.#bytesSeen = bytesRead;
    if (this.#silentRounds > LIMITS.http2SilentRounds) {
      this.#socket.destroy();
      return;
    }
    if (this.#silentRounds > 0 && !this.#session.destroyed) this.#session.ping(() => undefined);
    this.#watchLater();
  }

  #onClosed(): void {
    this.#idle?.cancel();
    this.#watch?.cancel();
    this.#options.onClose(this.#flood);
  }
}
