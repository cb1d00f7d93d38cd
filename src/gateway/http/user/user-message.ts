/**
 * A user's request and the response to it, as far as the HTTP path uses them: the same for HTTP/1.1 and HTTP/2.
 *
 * Node's IncomingMessage and ServerResponse have these shapes; http2/ makes objects that have them too. Only what is
 * written here may be used of a request, so that no code has to ask which it is.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Http2Framing } from '../request-guard.ts';

/** Of `data` and `end`, or of `error`. */
export type BodyListener = ((chunk: Buffer) => void) | ((error: Error) => void);

export interface UserRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** `1.1`, `1.0` or `2.0`. */
  readonly httpVersion: string;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: string[];
  /** Of the trailers, once all of it has come. */
  readonly rawTrailers: string[];
  readonly headers: IncomingHttpHeaders;
  readonly headersDistinct: NodeJS.Dict<string[]>;
  /** The user's connection, to be asked and never to be written to. */
  readonly socket: Socket;
  /** All of it has come. */
  readonly complete: boolean;
  /** Its `end` has come. */
  readonly readableEnded: boolean;
  /** What only HTTP/2 says. */
  readonly http2?: Http2Framing | undefined;
  on(event: string, listener: BodyListener): unknown;
  off(event: string, listener: BodyListener): unknown;
  resume(): unknown;
  pause(): unknown;
  /** Breaks it off. */
  destroy(error?: Error): unknown;
  /** Its body. */
  iterator(options: { destroyOnReturn: false }): AsyncIterable<Uint8Array | string>;
}

/** Emits `drain`, and `close` once when it is written or its user has left. */
export interface UserResponse {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** It was handed over whole. */
  readonly writableFinished: boolean;
  /** Names and values in turn. Throws where they are not valid HTTP. */
  writeHead(status: number, reason: string, headers: string[]): unknown;
  flushHeaders(): void;
  writeContinue(): void;
  writeProcessing(): void;
  writeEarlyHints(hints: { link: string }): void;
  /** False when the caller should wait for `drain`. `onWritten` hears when nobody looks at the bytes any more. */
  write(chunk: Uint8Array, onWritten?: (error?: Error | null) => void): boolean;
  /** What follows the body; before end(). Where the framing has no place for it, it is dropped. */
  addTrailers(trailers: readonly [string, string][]): void;
  end(chunk?: Uint8Array | string): unknown;
  /** Breaks it off, so that the user sees that it is not whole. */
  destroy(): unknown;
  on(event: 'close' | 'drain', listener: () => void): unknown;
  once(event: 'close' | 'drain', listener: () => void): unknown;
}
