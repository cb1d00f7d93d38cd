/**
 * One request and its response, between a user and an origin.
 *
 * Bytes go through as they come, in both directions and under backpressure; nothing is gathered. The invariant: whatever
 * fails, the user gets either the origin's whole response, or a page of ours, or a connection that visibly breaks, and
 * the origin's stream ends at once when the user leaves. Does not decide who may ask (request-guard.ts, the router).
 */
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { PosternError, codeOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { giveBackSlab } from '../../protocol/slab.ts';
import { grpcKind } from './answer/grpc-answer.ts';
import { askForBody } from './body/ask-for-body.ts';
import { answerError } from './answer/answer-error.ts';
import { closeAfter, cutResponse } from './user/client-response.ts';
import { endTogether } from './user/end-together.ts';
import { type Attempt, IDEMPOTENT, mayGoElsewhere } from './may-go-elsewhere.ts';
import { OriginConnection } from './origin/origin-connection.ts';
import type { PooledConnection } from './origin/http2-places.ts';
import { STALE_CONNECTION, isClosedByOrigin, toOriginError } from './origin/origin-error.ts';
import type { OriginTarget } from './origin/origin-opener.ts';
import type { OriginPools } from './origin/origin-pool.ts';
import { RequestBody } from './body/request-body.ts';
import type { GuardedRequest } from './request-guard.ts';
import type { WholeBodies } from './body/whole-body.ts';
import { BodyMeter } from './limits/body-meter.ts';
import type { RequestLimits } from './limits/request-limits.ts';
import type { StallWatch } from './limits/stall-watch.ts';
import type { RequestRecord } from './record/request-record.ts';
import { findHeader, responseHeaders } from './fields/response-headers.ts';
import { responseTrailers } from './fields/trailers.ts';
import type { LiveUpgrade } from './websocket/live-upgrade.ts';
import type { PendingUpgrade } from './websocket/pending-upgrade.ts';
import type { UserRequest, UserResponse } from './user/user-message.ts';

/** What all exchanges of a gateway share. */
export interface ExchangeHost {
  readonly pools: OriginPools;
  readonly bodies: WholeBodies;
  readonly limits: RequestLimits;
  readonly watch: StallWatch;
  /** Whether responses should be the last of their connections. */
  readonly isDraining: boolean;
  /**
   * Finds another replica for a request, or waits for one where it has failed for good, and returns what sends it there.
   * Undefined where there is none.
   */
  elsewhere(arrival: Arrival, error: PosternError, hasFailed: boolean): (() => void) | undefined;
  /** The origin has answered 101. */
  onLive(upgrade: LiveUpgrade, socket: Socket): void;
}

/** One request that the guard has let pass. */
export interface Arrival {
  readonly request: UserRequest;
  /** Where the response goes: the server's own, or what wants to become a WebSocket. */
  readonly to: UserResponse | PendingUpgrade;
  readonly guarded: GuardedRequest;
  readonly record: RequestRecord;
  /** The user waits for `100 Continue`. */
  readonly expectsContinue: boolean;
  /** The largest body, bytes. Default: none is too large. */
  readonly maxBodyBytes?: number;
}

/** What the origin is sent of a request. */
export interface OriginHead {
  /** Path and query. */
  readonly path: string;
  /** Names and values in turn, from requestHeaders(). */
  readonly headers: string[];
  /** What the user is told beside the answer of the origin. */
  readonly setCookie?: string | undefined;
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly #host: ExchangeHost;
  readonly #arrival: Arrival;
  readonly #target: OriginTarget;
  readonly #head: OriginHead;
  readonly #body: RequestBody | undefined;
  /** All of it, for an origin that wants it so. */
  #wholeBody: Buffer | undefined;
  readonly #meter: BodyMeter | undefined;
  #response: UserResponse | undefined;
  readonly #upgrade: PendingUpgrade | undefined;
  #connection: PooledConnection | undefined;
  #abort: ((error?: Error) => void) | undefined;
  #resume: (() => void) | undefined;
  /** The head was written to the origin. */
  #wasSent = false;
  /** The head was written to this one, or one before it. */
  #mayHaveArrived = false;
  /** A first byte of the origin's answer has come. */
  #hasAnswer = false;
  #sentAgain = 0;
  #isFlushed = false;
  #contentLength: number | undefined;
  #endsWithConnection = false;
  /** The origin's part is over: its response is complete, or something failed. */
  #isOver = false;

  constructor(host: ExchangeHost, arrival: Arrival, target: OriginTarget, head: OriginHead) {
    this.#host = host;
    this.#arrival = arrival;
    this.#target = target;
    this.#head = head;
    const { request, to, guarded, record, expectsContinue } = arrival;
    if ('respond' in to) {
      this.#upgrade = to;
      to.onAbort = () => this.#userGone();
    } else {
      this.#useResponse(to);
    }
    if (guarded.hasBody) {
      this.#meter = this.#meterOf(arrival);
      this.#body = new RequestBody(request, {
        count: record,
        meter: this.#meter,
        keepBytes: target.http2 === true ? LIMITS.originKeptBytes : 0,
        onStart: expectsContinue ? (begin) => this.#ask(begin) : undefined,
        onLate: () => {
          if (this.#connection instanceof OriginConnection) this.#connection.sendHead();
        },
        onTrailers: (trailers, end) => {
          if (this.#connection instanceof OriginConnection) {
            this.#connection.endWithTrailers(trailers, end);
          } else end();
        },
      });
    }
  }

  /** Whether the user is still sending the request. */
  get isReceiving(): boolean {
    return this.#body !== undefined && !this.#body.isEnded;
  }

  /** Sends the request over an idle connection or a new one. */
  start(): void {
    const isWhole = this.#target.wholeBodies === true && !hasLength(this.#head.headers);
    if (isWhole && this.#body !== undefined) void this.#gatherAndSend(this.#body);
    else this.#sendFirst();
  }

  async #gatherAndSend(body: RequestBody): Promise<void> {
    const whole = this.#host.bodies.gather(body);
    this.#response?.on('close', () => whole.release());
    try {
      const bytes = await whole.bytes;
      if (this.#isOver) return;
      this.#wholeBody = bytes;
      this.#head.headers.push('Content-Length', String(bytes.length));
      this.#sendFirst();
    } catch (error) {
      this.fail(toOriginError(error));
    }
  }

  #sendFirst(): void {
    // An upgrade takes its connection with it: it always gets its own. So does a body that waits: of one that is idle it is
    // not known whether the origin still reads.
    const takesIdle = this.#upgrade === undefined && !this.#arrival.expectsContinue;
    const idle = takesIdle ? this.#host.pools.take(this.#target) : undefined;
    if (idle === undefined) void this.#openAndSend();
    else this.#send(idle);
  }

  /** Ends the exchange from our side. The user gets a page, or a broken connection where a response has begun. */
  fail(error: PosternError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { request, record } = this.#arrival;
    record.fail(error.code, error);
    this.#abort?.(error);
    this.#body?.destroy();
    if (!this.#wasSent) this.#connection?.discard();
    const response = this.#respond();
    if (response.headersSent) {
      cutResponse(response, this.#contentLength);
      return;
    }
    const isLast = this.isReceiving || this.#host.isDraining;
    answerError(request, response, record, { error, isLast });
  }

  // What undici calls, in this order.

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    this.#wasSent = true;
    this.#mayHaveArrived = true;
    if (this.#isOver) abort();
  }

  onResponseStarted(): void {
    this.#hasAnswer = true;
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    if (this.#isOver) return true;
    if (status < 200) return this.#onInformation(status, raw);
    const { request, record } = this.#arrival;
    record.times.answered();
    if (this.#upgrade?.looksAccepted(status) === true) {
      const message = `Cannot upgrade to WebSocket: the origin answered ${status} and did not switch`;
      this.fail(new PosternError('ORIGIN_BAD_RESPONSE', message));
      return true;
    }
    this.#meter?.answered();
    const response = this.#respond();
    const { headers: fields, contentLength, isChunked, trailer } = responseHeaders(raw);
    const headers = this.#target.changes?.response(fields) ?? fields;
    this.#resume = resume;
    this.#contentLength = contentLength;
    const hasBody = status !== 204 && status !== 304 && request.method !== 'HEAD';
    this.#endsWithConnection = hasBody && !isChunked && contentLength === undefined;
    // HTTP/1.0 has no chunks, and so no place for trailers.
    if (trailer !== undefined && hasBody && isChunked && request.httpVersion !== '1.0')
      headers.push('Trailer', trailer);
    const { setCookie } = this.#head;
    if (setCookie !== undefined) headers.push('Set-Cookie', setCookie);
    // An answer before the end of the request: what is left of the body has nowhere to go.
    if (this.isReceiving || this.#host.isDraining) closeAfter(request, response);
    try {
      response.writeHead(status, reason, headers);
    } catch (cause) {
      closeAfter(request, response);
      const message = 'Cannot pass on the response: its head is not valid HTTP';
      this.fail(new PosternError('ORIGIN_BAD_RESPONSE', message, { cause }));
      return true;
    }
    record.status = status;
    if (status === 204 || status === 304) this.#endWithoutBody(isChunked, contentLength);
    process.nextTick(flushHead, this);
    return true;
  }

  onData(chunk: Buffer): boolean {
    const response = this.#response;
    if (this.#isOver || response === undefined) return true;
    this.#isFlushed = true;
    const { record } = this.#arrival;
    record.bytesSent += chunk.length;
    if (record.bytesSent === this.#contentLength) {
      // The last of it: one write instead of two.
      this.#isOver = true;
      endTogether(response, chunk);
      return true;
    }
    if (writeChunk(response, chunk)) return true;
    response.once('drain', () => this.#resume?.());
    return false;
  }

  onComplete(trailers: readonly (Buffer | string)[] | null): void {
    if (this.#isOver) return;
    if (this.#endsWithConnection && this.#connection?.hasEnded !== true) {
      // Undici takes a broken connection for the end of a body that only the end of the connection ends.
      const message = 'Cannot get the rest of the response: the connection broke';
      this.fail(new PosternError('ORIGIN_RESET', message));
      return;
    }
    this.#isOver = true;
    this.#isFlushed = true;
    const passed = responseTrailers(trailers);
    if (passed.length > 0) this.#response?.addTrailers(passed);
    if (this.#response !== undefined) endTogether(this.#response);
  }

  onUpgrade(_status: number, fields: Buffer[], origin: Duplex): void {
    if (this.#isOver || this.#upgrade === undefined) {
      origin.destroy();
      return;
    }
    const isOther = findHeader(fields, 'upgrade')?.toLowerCase() !== 'websocket';
    const problem = isOther
      ? 'the origin switched to another protocol'
      : this.#upgrade.problemWith(fields);
    if (problem !== undefined) {
      origin.destroy();
      this.fail(new PosternError('ORIGIN_BAD_RESPONSE', `Cannot upgrade to WebSocket: ${problem}`));
      return;
    }
    this.#isOver = true;
    const { record, request } = this.#arrival;
    record.times.answered();
    record.status = 101;
    record.isUpgraded = true;
    const kept = this.#target.changes?.switching(fields) ?? fields;
    const live = this.#upgrade.accept(kept, origin, record);
    this.#host.onLive(live, request.socket);
  }

  onError(error: Error): void {
    if (this.#isOver) return;
    if (!this.#canSendAgain(error)) {
      this.#failed(toOriginError(error));
      return;
    }
    this.#sentAgain += 1;
    void this.#openAndSend();
  }

  /**
   * Gives the request to another replica, where it may go there and there is one. Otherwise it stays as it is: its stream may
   * be resumed.
   */
  leave(error: PosternError): void {
    this.#moves(error, false);
  }

  #moves(error: PosternError, hasFailed: boolean): boolean {
    if (this.#isOver || !mayGoElsewhere(error.code, this.#attempt)) return false;
    const goOn = this.#host.elsewhere(this.#arrival, error, hasFailed);
    if (goOn === undefined) return false;
    this.#isOver = true;
    this.#abort?.(error);
    this.#body?.destroy();
    if (!this.#wasSent) this.#connection?.discard();
    goOn();
    return true;
  }

  /** Lets the user see the head of a response whose body does not come at once. */
  flush(): void {
    if (this.#isFlushed || this.#isOver) return;
    this.#isFlushed = true;
    this.#response?.flushHeaders();
  }

  #meterOf({ request, maxBodyBytes = Number.POSITIVE_INFINITY }: Arrival): BodyMeter {
    const { watch, limits } = this.#host;
    return new BodyMeter({
      watch,
      limits: limits.limits,
      maxBytes: maxBodyBytes,
      isConversation: grpcKind(request.headers['content-type']) !== undefined,
      fail: (error) => this.fail(error),
    });
  }

  async #openAndSend(): Promise<void> {
    const { requestId, client, times } = this.#arrival.record;
    this.#wasSent = false;
    times.opening();
    try {
      const needsHttp1 = this.#upgrade !== undefined;
      const request = { requestId, client, needsHttp1 };
      const connection = await this.#host.pools.open(this.#target, request);
      times.opened();
      if (this.#isOver) connection.discard();
      else this.#send(connection);
    } catch (error) {
      this.#failed(toOriginError(error));
    }
  }

  #ask(begin: () => void): void {
    askForBody({ connection: this.#connection, response: this.#response, begin });
  }

  #failed(error: PosternError): void {
    if (!this.#moves(error, true)) this.fail(error);
  }

  get #attempt(): Attempt {
    return {
      method: this.#arrival.request.method ?? '',
      isUpgrade: this.#upgrade !== undefined,
      hasBody: this.#body !== undefined,
      isBodyStarted: this.#body?.isStarted === true,
      wasSent: this.#wasSent,
      mayHaveArrived: this.#mayHaveArrived,
      hasAnswer: this.#hasAnswer,
    };
  }

  #send(connection: PooledConnection): void {
    const { request } = this.#arrival;
    this.#connection = connection;
    this.#wasSent = false;
    this.#abort = undefined;
    if (connection instanceof OriginConnection && this.#needsHttp2()) {
      const message = 'Cannot speak gRPC with the origin: it does not speak HTTP/2';
      this.fail(new PosternError('ORIGIN_PROTOCOL', message));
      return;
    }
    this.#arrival.record.times.sent();
    connection.dispatch(
      {
        path: this.#head.path,
        method: request.method ?? '',
        headers: this.#head.headers,
        // It has all that undici uses of a Readable.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        body: this.#wholeBody ?? (this.#body as Readable | undefined) ?? null,
        upgrade: this.#upgrade === undefined ? null : 'websocket',
      },
      this,
    );
  }

  /** gRPC cannot be said in HTTP/1.1. Where the rule does not speak of HTTP/2, what is sent is its own affair. */
  #needsHttp2(): boolean {
    // First what is at hand: Node makes the object of fields when it is asked for one, and this is asked of each request.
    if (this.#target.http2 !== true) return false;
    return grpcKind(this.#arrival.request.headers['content-type']) === 'application/grpc';
  }

  /** An origin may close an idle connection just when a request is on its way: nobody's fault, so it is sent again. */
  #canSendAgain(error: Error): boolean {
    if (this.#hasAnswer || this.#sentAgain >= LIMITS.originSendsAgain) return false;
    // Of a body that was begun the beginning is gone.
    if (codeOf(error) === STALE_CONNECTION) {
      return this.#wholeBody !== undefined || this.#body?.isUnread !== false;
    }
    if (this.#connection?.isReused !== true) return false;
    if (!this.#wasSent) return true;
    const method = this.#arrival.request.method ?? '';
    return this.#body === undefined && IDEMPOTENT.has(method) && isClosedByOrigin(error);
  }

  #onInformation(status: number, raw: readonly Buffer[]): boolean {
    if (status === 101) {
      const message = 'Cannot pass on the response: the origin switched protocols unasked';
      this.fail(new PosternError('ORIGIN_BAD_RESPONSE', message));
    } else if (this.#arrival.request.httpVersion === '1.0') {
      // It knows of none.
    } else if (status === 102) {
      this.#response?.writeProcessing();
    } else if (status === 103) {
      const link = findHeader(raw, 'link');
      try {
        if (link !== undefined) this.#response?.writeEarlyHints({ link });
      } catch {
        // Node knows only some forms of Link. A hint may be dropped.
      }
    }
    return true;
  }

  /** The response to write to; for an upgrade this is where it stops being one. */
  #respond(): UserResponse {
    if (this.#response !== undefined) return this.#response;
    const { to } = this.#arrival;
    const response = 'respond' in to ? to.respond() : to;
    this.#useResponse(response);
    return response;
  }

  #useResponse(response: UserResponse): void {
    this.#response = response;
    response.on('close', () => this.#userGone());
  }

  /**
   * A 304 may say how long a body would be (RFC 9110 §8.6), and none comes. Undici's parser waits for it, except after HEAD:
   * the response ends here, and so does the connection.
   */
  #endWithoutBody(isChunked: boolean, contentLength = 0): void {
    if (!isChunked && contentLength === 0) return;
    if (this.#arrival.request.method === 'HEAD') return;
    if (!(this.#connection instanceof OriginConnection)) return;
    this.#isOver = true;
    this.#isFlushed = true;
    this.#abort?.();
    this.#body?.destroy();
    this.#response?.end();
  }

  /** The user's connection is gone, or has had the whole response. */
  #userGone(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#arrival.record.fail('HTTP_ABORTED');
    this.#abort?.();
    this.#body?.destroy();
  }
}

/** Whether fields, names and values in turn, say how long the body is. */
function hasLength(fields: readonly string[]): boolean {
  return fields.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-length');
}

function flushHead(exchange: Exchange): void {
  exchange.flush();
}

/** Writes a part of a body. A whole frame of it is given back when it has left: nobody else has anything in that memory. */
function writeChunk(response: UserResponse, chunk: Buffer): boolean {
  if (chunk.length !== LIMITS.dataBytes) return response.write(chunk);
  return response.write(chunk, (error) => {
    if (!error) giveBackSlab(chunk);
  });
}
