/**
 * One connection to an origin that speaks HTTP/1.1: a byte stream with undici's client on it.
 *
 * It carries one request at a time and is never dialled again: when the stream ends, so does the connection, and whoever
 * holds a request that was not yet written gets STALE_CONNECTION and may take another. Does not retry or choose.
 */
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { LIMITS } from '../../../core/limits.ts';
import { isContentLength, sendHeadFirst } from './head-first.ts';
import { STALE_CONNECTION } from './origin-error.ts';
import type { OriginStream } from './origin-opener.ts';
import { sendTrailers, type Trailers } from './send-trailers.ts';

/** Undici wants an origin; nothing is ever sent to this one, since the Host field is always given. */
const NOWHERE = 'http://origin.invalid';

export interface OriginConnectionOptions {
  /** How long the connection may be idle, ms. */
  readonly idleMs: number;
  /** How long the origin may take to begin its answer once it has the request, ms. 0: no limit. */
  readonly headersTimeoutMs: number;
  /** The last response is complete and the connection can take another request. */
  readonly onIdle: (connection: OriginConnection) => void;
  /** The stream has ended, or was handed over to an upgrade. Called once. */
  readonly onGone: (connection: OriginConnection) => void;
}

export class OriginConnection {
  readonly #client: Client;
  readonly #duplex: OriginStream;
  readonly #onGone: (connection: OriginConnection) => void;
  #isGone = false;
  #isBusy = false;
  #requests = 0;
  #request: Dispatcher.DispatchOptions | undefined;
  #isHeadSent = false;
  /** It carries no request after this one. */
  #isLast = false;

  /** Takes over `duplex`, which must be connected and unread. */
  constructor(duplex: OriginStream, options: OriginConnectionOptions) {
    this.#duplex = duplex;
    // Undici listens while a request runs; this one is for the moments between.
    duplex.on('error', () => undefined);
    let isTaken = false;
    this.#client = new Client(NOWHERE, {
      pipelining: 1,
      maxHeaderSize: LIMITS.originHeadBytes,
      headersTimeout: options.headersTimeoutMs,
      // A body may pause for as long as it likes: server-sent events do.
      bodyTimeout: 0,
      keepAliveTimeout: Math.max(1, options.idleMs),
      keepAliveMaxTimeout: Math.max(1, options.idleMs),
      connect: (_origin, callback) => {
        const isFirst = !isTaken;
        isTaken = true;
        // Never synchronously: undici would not look at its queue again.
        queueMicrotask(() => {
          // Undici uses nothing of a Socket that a Duplex lacks.
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          if (isFirst) callback(null, duplex as Socket);
          else callback(staleConnection(), null);
        });
      },
    });
    this.#client.on('drain', () => {
      if (this.#isGone || !this.#isBusy) return;
      this.#isBusy = false;
      duplex.carries?.(0);
      if (this.#isLast) this.destroy();
      else options.onIdle(this);
    });
    this.#onGone = options.onGone;
    // An upgrade disconnects the client and leaves the stream open; a stream may close before it has a client.
    this.#client.on('disconnect', () => this.#gone());
    duplex.on('close', () => this.#gone());
  }

  /** Whether an earlier request went over this connection, so that the origin may be closing it just now. */
  get isReused(): boolean {
    return this.#requests > 1;
  }

  get isGone(): boolean {
    return this.#isGone || this.#duplex.destroyed;
  }

  /** Whether the origin ended the stream, rather than broke it. */
  get hasEnded(): boolean {
    return this.#duplex.readableEnded && this.#duplex.errored === null;
  }

  /** Sends one request. The connection must be fresh or idle. */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#requests += 1;
    this.#isBusy = true;
    this.#request = options;
    this.#isHeadSent = false;
    this.#duplex.carries?.(1);
    this.#client.dispatch(options, handler);
  }

  /**
   * Sends the head of the request now, and not with the first byte of its body; that must not have come. With
   * `onContinue` the origin is asked whether it wants the body. Does nothing where the head is sent already.
   */
  sendHead(onContinue?: () => void): void {
    if (this.#request === undefined || this.#isHeadSent || this.isGone) return;
    this.#isHeadSent = true;
    const { method, path } = this.#request;
    sendHeadFirst(this.#duplex, { method, path, headers: this.#fields, onContinue });
  }

  /**
   * Ends the body of the request, by `end`, with trailers where it comes in chunks. The connection carries no other request
   * then: of an origin that knows no trailers nobody can say what it takes them for.
   */
  endWithTrailers(trailers: Trailers, end: () => void): void {
    if (this.isGone || this.#fields.some(isContentLength)) {
      end();
      return;
    }
    this.#isLast = true;
    if (trailers.isBodyEmpty) this.sendHead();
    sendTrailers(this.#duplex, trailers, end);
  }

  /** Of the request, names and values in turn. */
  get #fields(): string[] {
    // What exchange.ts gives.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return (this.#request?.headers ?? []) as string[];
  }

  /** The request that was to go over it is not sent. Undici would keep what it refused to write, and never be idle. */
  discard(): void {
    this.destroy();
  }

  /** Ends the connection at once. Safe to call twice. */
  destroy(): void {
    this.#duplex.destroy();
    this.#client.destroy().catch(() => undefined);
    // A stream that was closed before it came here says so no second time.
    this.#gone();
  }

  #gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#onGone(this);
  }
}

function staleConnection(): Error {
  return Object.assign(new Error('the connection was gone before the request was sent'), {
    code: STALE_CONNECTION,
  });
}
