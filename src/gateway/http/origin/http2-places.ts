/**
 * Places for requests on the HTTP/2 connections of one pool: on one that is open, or on a new one that several wait for.
 *
 * As many connections are opened as the waiting need, by what the origin took at once the last time; so a burst of requests to
 * a fresh origin dials once and not once each. An origin that turns out to speak HTTP/1.1 gets one connection a request.
 * Bounded by LIMITS.originPlacesAwaited.
 */
import { PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { Http2Connection, type Http2Place } from './http2-connection.ts';
import type { OriginConnection } from './origin-connection.ts';
import type { OriginRequest } from './origin-opener.ts';

/** What one request goes over. */
export type PooledConnection = OriginConnection | Http2Place;

/** Opens a connection on behalf of a request: HTTP/1.1 where the origin does not speak HTTP/2. */
export type OpenConnection = (
  request: OriginRequest,
) => Promise<OriginConnection | Http2Connection>;

interface Waiting {
  readonly request: OriginRequest;
  readonly resolve: (connection: PooledConnection) => void;
  readonly reject: (error: unknown) => void;
}

export class Http2Places {
  readonly #open: OpenConnection;
  readonly #most: number;
  readonly #connections = new Set<Http2Connection>();
  #waiting: Waiting[] = [];
  #opening = 0;
  /** Requests that the origin took at once the last time: 1 for HTTP/1.1. */
  #perConnection: number = LIMITS.originHttp2Streams;

  /** `most` may wait. */
  constructor(open: OpenConnection, most: number = LIMITS.originPlacesAwaited) {
    this.#open = open;
    this.#most = most;
  }

  /** Whether nobody waits and no connection is open or being opened. */
  get isUnused(): boolean {
    return this.#waiting.length === 0 && this.#opening === 0 && this.#connections.size === 0;
  }

  /** A place on a connection that is open, or undefined. */
  take(): Http2Place | undefined {
    for (const connection of this.#connections) {
      if (connection.room > 0) return connection.reserve();
    }
    return undefined;
  }

  /** A place, as soon as there is one. Rejects as opening does, and with STREAM_LIMIT. */
  async get(request: OriginRequest): Promise<PooledConnection> {
    const place = this.#waiting.length === 0 ? this.take() : undefined;
    if (place !== undefined) return place;
    if (this.#waiting.length >= this.#most) {
      const message = 'Cannot reach the origin: too many requests wait for a connection';
      throw new PosternError('STREAM_LIMIT', message);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#openMore();
    });
  }

  /** A place became free. */
  serve(): void {
    while (this.#waiting.length > 0) {
      const place = this.take();
      if (place === undefined) return;
      this.#waiting.shift()?.resolve(place);
    }
  }

  /** A connection takes no more requests. */
  remove(connection: Http2Connection): void {
    if (this.#connections.delete(connection)) this.#openMore();
  }

  /** Closes every connection after its last request. */
  retire(): void {
    for (const connection of this.#connections) connection.retire();
  }

  #openMore(): void {
    while (this.#opening * this.#perConnection < this.#waiting.length) {
      const first = this.#waiting[this.#opening * this.#perConnection];
      if (first === undefined) return;
      this.#opening += 1;
      this.#open(first.request).then(
        (connection) => this.#opened(connection),
        (error: unknown) => this.#failed(error),
      );
    }
  }

  #opened(connection: OriginConnection | Http2Connection): void {
    this.#opening -= 1;
    if (connection instanceof Http2Connection) {
      this.#perConnection = connection.mostRequests;
      if (!connection.isGone) this.#connections.add(connection);
      this.serve();
    } else {
      this.#perConnection = 1;
      const first = this.#waiting.shift();
      if (first === undefined) connection.discard();
      else first.resolve(connection);
    }
    this.#openMore();
  }

  /** All that would have gone over it hear of it; they would only wait for the next one to fail. */
  #failed(error: unknown): void {
    this.#opening -= 1;
    for (const { reject } of this.#waiting.splice(0, this.#perConnection)) reject(error);
    this.#openMore();
  }
}
