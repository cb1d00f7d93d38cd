/**
 * The user's side of a WebSocket that came over HTTP/2: one stream of a connection that carries others (RFC 8441).
 *
 * The invariant: 200 opens the stream for the user, so nothing says 200 but a 101 of the origin that answers our key.
 */
import type { Duplex } from 'node:stream';
import { constants } from 'node:http2';
import { findHeader, responseHeaders } from '../http/fields/response-headers.ts';
import type { RequestRecord } from '../http/record/request-record.ts';
import type { UserResponse } from '../http/user/user-message.ts';
import { LiveUpgrade } from '../http/websocket/live-upgrade.ts';
import type { PendingUpgrade } from '../http/websocket/pending-upgrade.ts';
import type { Http2Request } from './http2-request.ts';
import type { Http2Response } from './http2-response.ts';
import { expectedAccept } from './websocket-handshake.ts';

/** Fields of a 101 that HTTP/2 has no use for. */
const DROPPED: ReadonlySet<string> = new Set(['sec-websocket-accept', 'content-length']);

export class StreamUpgrade implements PendingUpgrade {
  onAbort: (() => void) | undefined;
  onEnd: (() => void) | undefined;
  readonly #request: Http2Request;
  readonly #response: Http2Response;
  #isSettled = false;
  #isLive = false;

  constructor(request: Http2Request, response: Http2Response) {
    this.#request = request;
    this.#response = response;
    response.once('close', () => this.#closed());
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  // oxlint-disable-next-line class-methods-use-this
  looksAccepted(status: number): boolean {
    return status >= 200 && status < 300;
  }

  problemWith(fields: readonly Buffer[]): string | undefined {
    const accept = findHeader(fields, 'sec-websocket-accept');
    if (accept === expectedAccept(this.#request.rawHeaders)) return undefined;
    return 'the origin did not answer the key';
  }

  respond(): UserResponse {
    this.#isSettled = true;
    return this.#response;
  }

  accept(fields: readonly Buffer[], origin: Duplex, record: RequestRecord): LiveUpgrade {
    this.#isSettled = true;
    this.#isLive = true;
    const response = this.#response;
    const stream = response.takeOver(kept(responseHeaders(fields).headers));
    const user = {
      stream,
      endedWell: () =>
        stream.readableEnded && !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR,
      cut: () => response.destroy(),
    };
    return new LiveUpgrade(user, origin, record);
  }

  #closed(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.onAbort?.();
    }
    if (!this.#isLive) this.onEnd?.();
  }
}

function kept(fields: readonly string[]): string[] {
  const result: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (!DROPPED.has(name.toLowerCase())) result.push(name, fields[index + 1] ?? '');
  }
  return result;
}
