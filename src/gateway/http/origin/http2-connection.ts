/**
 * One connection to an origin that speaks HTTP/2: a byte stream with Node's client on it, for several requests at once.
 *
 * It takes requests once the origin's SETTINGS have come, which say how many and prove that it speaks HTTP/2 at all, and none
 * after GOAWAY. It is never dialled again.
 */
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import http2 from 'http2-wrapper';
import type { Dispatcher } from 'undici';
import type { Clock, Timer } from '../../../core/clock.ts';
import { PosternError, codeOf } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { Http2Call, type Http2Body } from './http2-call.ts';
import { requestHead } from './http2-head.ts';
import { Http2Watch } from './http2-watch.ts';
import { STALE_CONNECTION, toOriginError } from './origin-error.ts';
import type { OriginStream } from './origin-opener.ts';

export interface Http2ConnectionOptions {
  readonly scheme: 'http' | 'https';
  readonly clock: Clock;
  /** How long the connection may be idle, ms. */
  readonly idleMs: number;
  /** How long the origin may take to begin an answer once it has the request, ms. 0: no limit. */
  readonly headersTimeoutMs: number;
  /** The first place of an idle connection was taken. */
  readonly onBusy: (connection: Http2Connection) => void;
  /** A place became free: the last one of an idle connection, maybe. */
  readonly onRoom: (connection: Http2Connection) => void;
  /** It takes no more requests. Called once; some may still be under way. */
  readonly onGone: (connection: Http2Connection) => void;
}

const SESSION_OPTIONS = {
  maxHeaderListPairs: LIMITS.http2HeaderFields,
  maxSessionMemory: LIMITS.originHttp2SessionMb,
  settings: {
    enablePush: false,
    initialWindowSize: LIMITS.originHttp2WindowBytes,
    maxHeaderListSize: LIMITS.originHeadBytes,
  },
};

/** A place for one request on a connection. Either a request is dispatched in it, or it is given back. */
export interface Http2Place {
  /** Whether the connection broke, as an origin may close one at any moment. */
  readonly isReused: boolean;
  /** Responses are whole or not by themselves. */
  readonly hasEnded: true;
  /** Sends one request. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  /** The request is not sent. Without effect after dispatch(). */
  discard(): void;
}

export class Http2Connection {
  readonly #options: Http2ConnectionOptions;
  readonly #duplex: OriginStream;
  readonly #session: ClientHttp2Session;
  /** Places that were taken and have no request yet. */
  #reserved = 0;
  #open = 0;
  #isGone = false;
  /** What GOAWAY said: requests above this one were not looked at. */
  #lastTaken: number | undefined;
  #idle: Timer | undefined;
  readonly #watch: Http2Watch;
  /** Requests that were given up. */
  #givenUp = 0;

  /** Takes over `duplex`. Rejects with ORIGIN_TIMEOUT, ORIGIN_PROTOCOL, and with what ended the stream. */
  static async open(
    duplex: OriginStream,
    options: Http2ConnectionOptions,
  ): Promise<Http2Connection> {
    const connection = new Http2Connection(duplex, options);
    try {
      await connection.#settled();
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  private constructor(duplex: OriginStream, options: Http2ConnectionOptions) {
    this.#options = options;
    this.#duplex = duplex;
    duplex.on('error', () => undefined);
    const session = http2.connect(`${options.scheme}://origin.invalid`, {
      ...SESSION_OPTIONS,
      createConnection: () => duplex,
    });
    this.#session = session;
    this.#watch = new Http2Watch({
      session,
      clock: options.clock,
      onDead: () => {
        const message = 'Cannot get a response from the origin: it does not answer any more';
        session.destroy(new PosternError('ORIGIN_TIMEOUT', message));
        duplex.destroy();
      },
    });
    session.on('error', () => undefined);
    session.on('goaway', (_code: number, lastStreamId: number) => {
      this.#lastTaken = lastStreamId;
      this.#gone();
    });
    session.once('close', () => {
      this.#watch.stop();
      this.#gone();
      this.#linger();
    });
    duplex.once('close', () => this.#gone());
  }

  /** Requests that can be sent now. */
  get room(): number {
    return this.#isGone ? 0 : this.mostRequests - this.#open - this.#reserved;
  }

  /** Requests that the origin takes at once. Never less than one: with none it could not be used at all. */
  get mostRequests(): number {
    const { maxConcurrentStreams = LIMITS.originHttp2Streams } = this.#session.remoteSettings;
    return Math.max(1, Math.min(maxConcurrentStreams, LIMITS.originHttp2Streams));
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#open === 0 && this.#reserved === 0;
  }

  /** Takes a place for a request that follows. */
  reserve(): Http2Place {
    if (this.isIdle) {
      this.#idle?.cancel();
      this.#watch.start();
      this.#options.onBusy(this);
    }
    this.#reserved += 1;
    this.#tellLoad();
    let isReserved = true;
    const isGone = (): boolean => this.#isGone;
    return {
      get isReused() {
        return isGone();
      },
      hasEnded: true,
      dispatch: (options, handler) => {
        isReserved = false;
        this.#reserved -= 1;
        this.#dispatch(options, handler);
      },
      discard: () => {
        if (!isReserved) return;
        isReserved = false;
        this.#reserved -= 1;
        this.#madeRoom();
      },
    };
  }

  /** Takes no more requests, and closes after the last. Safe to call twice. */
  retire(): void {
    this.#gone();
    if (!this.#session.destroyed && this.#reserved === 0) this.#session.close();
  }

  /** Ends it at once, with everything on it. Safe to call twice. */
  destroy(): void {
    this.#session.destroy();
    this.#duplex.destroy();
    this.#gone();
  }

  #dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const body = bodyOf(options);
    const stream = this.#request(options, body !== undefined, handler);
    if (stream === undefined) {
      this.#madeRoom();
      return;
    }
    this.#open += 1;
    stream.once('close', () => {
      this.#open -= 1;
      if (stream.rstCode === http2.constants.NGHTTP2_CANCEL) this.#gaveUp();
      this.#madeRoom();
    });
    const { clock, headersTimeoutMs } = this.#options;
    const wasLeftOut = ({ id = 0 }: ClientHttp2Stream): boolean =>
      this.#lastTaken !== undefined && id > this.#lastTaken;
    // It lives as long as the stream does.
    // oxlint-disable-next-line no-new
    new Http2Call({ stream, handler, body, clock, headersTimeoutMs, wasLeftOut });
  }

  #request(
    options: Dispatcher.DispatchOptions,
    hasBody: boolean,
    handler: Dispatcher.DispatchHandler,
  ): ClientHttp2Stream | undefined {
    let head: OutgoingHttpHeaders;
    try {
      head = headOf(options, this.#options.scheme);
    } catch (cause) {
      const message = 'Cannot send the request: its head is not valid HTTP';
      handler.onError?.(new PosternError('HTTP_BAD_REQUEST', message, { cause }));
      return undefined;
    }
    try {
      return this.#session.request(head, { endStream: !hasBody, waitForTrailers: hasBody });
    } catch (cause) {
      handler.onError?.(this.#requestError(cause));
      return undefined;
    }
  }

  /** What one user sends must not end the connection of the others. */
  #requestError(cause: unknown): Error {
    if (!this.#session.closed && !this.#session.destroyed) {
      const message = 'Cannot send the request: it cannot be said in HTTP/2';
      return new PosternError('HTTP_BAD_REQUEST', message, { cause });
    }
    this.#gone();
    const message = 'the connection was gone before the request was sent';
    return Object.assign(new Error(message, { cause }), { code: STALE_CONNECTION });
  }

  /**
   * Origins end a connection on which too much is given up, with everything on it. So that users who only ask and leave do no
   * harm to others, the next requests go over another one in time.
   */
  #gaveUp(): void {
    this.#givenUp += 1;
    if (this.#givenUp === LIMITS.originHttp2GivenUp) this.retire();
  }

  /** Waits for the origin's SETTINGS. */
  async #settled(): Promise<void> {
    const session = this.#session;
    await new Promise<void>((resolve, reject) => {
      const timer = this.#options.clock.after(LIMITS.originHttp2SettingsMs, () => {
        const message = 'Cannot speak HTTP/2 with the origin: it did not begin to in time';
        reject(new PosternError('ORIGIN_TIMEOUT', message));
      });
      const fail = (cause?: unknown): void => {
        timer.cancel();
        reject(openError(cause));
      };
      session.once('remoteSettings', () => {
        timer.cancel();
        session.off('error', fail).off('close', fail);
        // The window of the whole connection stays at 64 KiB otherwise, and with it what comes in a round trip.
        session.setLocalWindowSize(LIMITS.originHttp2ConnectionBytes);
        this.#waitIdle();
        resolve();
      });
      session.once('error', fail).once('close', fail);
    });
  }

  #tellLoad(): void {
    this.#duplex.carries?.(this.#open + this.#reserved);
  }

  #madeRoom(): void {
    this.#tellLoad();
    if (this.#isGone) {
      if (this.isIdle && !this.#session.destroyed) this.#session.close();
      return;
    }
    if (this.isIdle) {
      this.#watch.stop();
      this.#waitIdle();
    }
    this.#options.onRoom(this);
  }

  #waitIdle(): void {
    this.#idle?.cancel();
    this.#idle = this.#options.clock.after(Math.max(1, this.#options.idleMs), () => this.retire());
  }

  #gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#idle?.cancel();
    this.#options.onGone(this);
  }

  /** Our end is closed. Node would wait for the origin to close theirs, for ever. */
  #linger(): void {
    if (this.#duplex.destroyed) return;
    const timer = this.#options.clock.after(LIMITS.http2LingerMs, () => this.#duplex.destroy());
    this.#duplex.once('close', () => timer.cancel());
  }
}

/** Why a connection did not come to speak HTTP/2. */
function openError(cause: unknown): PosternError {
  const code = codeOf(cause);
  if (code?.startsWith('ERR_HTTP2_') === true) {
    const message = 'Cannot speak HTTP/2 with the origin: it answers with something else';
    return new PosternError('ORIGIN_PROTOCOL', message, { cause });
  }
  if (cause !== undefined) return toOriginError(cause);
  const message = 'Cannot speak HTTP/2 with the origin: it closed the connection';
  return new PosternError('ORIGIN_RESET', message);
}

function headOf(
  options: Dispatcher.DispatchOptions,
  scheme: 'http' | 'https',
): OutgoingHttpHeaders {
  const { method, path, headers } = options;
  // exchange.ts gives them so.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return requestHead({ method, path, scheme, fields: headers as string[] });
}

function bodyOf({ body }: Dispatcher.DispatchOptions): Http2Body | Buffer | undefined {
  // exchange.ts gives nothing else.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (body as unknown as Http2Body | Buffer | null) ?? undefined;
}
