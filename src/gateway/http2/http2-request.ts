/**
 * A request that came over HTTP/2, in the shape that the HTTP path works with. One stream carries it and its response.
 *
 * A WebSocket (RFC 8441) looks as it does over HTTP/1.1, a GET with a key, so that whoever judges it sees nothing new.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Http2Framing } from '../http/request-guard.ts';
import type { BodyListener, UserRequest } from '../http/user/user-message.ts';
import { readHead } from './http2-fields.ts';
import { asHandshake } from './websocket-handshake.ts';

/** What Node says of a new stream. */
export interface Http2Arrival {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** Filled when they come, which is before the stream ends. */
  readonly rawTrailers: string[];
  /** The connection that the stream belongs to. */
  readonly socket: Socket;
}

export class Http2Request implements UserRequest {
  readonly httpVersion = '2.0';
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[];
  readonly rawTrailers: string[];
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
  readonly http2: Http2Framing;
  readonly #stream: ServerHttp2Stream;
  #isComplete: boolean;

  constructor({ stream, headers, rawHeaders, rawTrailers, socket }: Http2Arrival) {
    const { method, path, scheme, authority, protocol, fields, bytes } = readHead(rawHeaders);
    const isWebSocket = protocol === 'websocket';
    this.method = isWebSocket ? 'GET' : method;
    this.url = path;
    this.rawHeaders = isWebSocket ? asHandshake(fields) : fields;
    this.rawTrailers = rawTrailers;
    this.headers = headers;
    this.socket = socket;
    this.#stream = stream;
    // One without a byte may have ended already.
    this.#isComplete = stream.endAfterHeaders || (stream.readableEnded && !stream.closed);
    const hasBody = !stream.endAfterHeaders && headers['content-length'] !== '0';
    this.http2 = { scheme, authority, protocol, headBytes: bytes, hasBody };
    // A stream that is given up ends too, but it has closed by then.
    stream.once('end', () => {
      this.#isComplete ||= !stream.closed;
    });
  }

  get complete(): boolean {
    return this.#isComplete;
  }

  get readableEnded(): boolean {
    return this.#stream.readableEnded;
  }

  get headersDistinct(): NodeJS.Dict<string[]> {
    const distinct: NodeJS.Dict<string[]> = Object.create(null);
    for (let index = 0; index < this.rawHeaders.length; index += 2) {
      (distinct[this.rawHeaders[index] ?? ''] ??= []).push(this.rawHeaders[index + 1] ?? '');
    }
    return distinct;
  }

  on(event: string, listener: BodyListener): this {
    this.#stream.on(event, listener);
    return this;
  }

  off(event: string, listener: BodyListener): this {
    this.#stream.off(event, listener);
    return this;
  }

  resume(): void {
    this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  destroy(error?: Error): void {
    this.#stream.destroy(error);
  }

  iterator(options: { destroyOnReturn: false }): AsyncIterable<Uint8Array | string> {
    return this.#stream.iterator(options);
  }
}
