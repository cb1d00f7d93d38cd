/**
 * The gateway's HTTP path: takes the events of Node's servers, lets the guard decide, and has the rest served (request-course.ts).
 *
 * Owns the pools of origin connections, the live WebSockets and the drain. Every request, refused ones too, ends in one
 * RequestSummary. Knows nothing of links: see origin-opener.ts for what it is given. See design.md §4 "HTTP".
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { type HttpLimits, HTTP_LIMITS_DEFAULTS } from '../../config/http-limits.ts';
import { systemClock } from '../../core/clock.ts';
import type { ErrorCode } from '../../core/error-codes.ts';
import { PosternError, codeOf } from '../../core/error.ts';
import { newRequestId } from '../../core/id.ts';
import { RefusalLog } from '../../telemetry/refusal-log.ts';
import type { Http2Request } from '../http2/http2-request.ts';
import type { Http2Response } from '../http2/http2-response.ts';
import { StreamUpgrade } from '../http2/stream-upgrade.ts';
import { UserSessions } from '../http2/user-sessions.ts';
import { logRequest } from './record/access-log.ts';
import { EndedRequests } from './record/ended-requests.ts';
import { answerError } from './answer/answer-error.ts';
import { ClientConnections } from './user/client-connections.ts';
import { connectionRefusal } from '../front/connection-refusal.ts';
import { TrustedProxies } from '../front/trusted-proxies.ts';
import { responseOn } from './user/client-response.ts';
import type { Arrival } from './exchange.ts';
import { OriginPools } from './origin/origin-pool.ts';
import { RequestLimits } from './limits/request-limits.ts';
import { StallWatch } from './limits/stall-watch.ts';
import { parserErrorCode, rawErrorResponse, unreadRecord } from './user/raw-error.ts';
import { servernameOf } from './user/servername-of.ts';
import { type GuardRefusal, type GuardedRequest, checkRequest } from './request-guard.ts';
import { RequestCourse } from './request-course.ts';
import { RequestRecord } from './record/request-record.ts';
import { RunningRequests } from './running-requests.ts';
import { HTTP_SERVER_PROPERTIES, serverLimits } from './user/server-options.ts';
import { CLOSE_REVOKED, UpgradeRegistry } from './websocket/upgrade-registry.ts';
import type { LiveUpgrade } from './websocket/live-upgrade.ts';
import type { PendingUpgrade } from './websocket/pending-upgrade.ts';
import { SocketUpgrade } from './websocket/socket-upgrade.ts';
import type { UserRequest, UserResponse } from './user/user-message.ts';
import { WholeBodies } from './body/whole-body.ts';
import type { HttpHandlerOptions, HttpStats } from './http-handler-options.ts';

export class HttpHandler {
  /** The live WebSockets, to be closed at the end of a grace period or when they are no longer allowed. */
  readonly upgrades = new UpgradeRegistry();
  /** Requests at replicas, to be given to others. */
  readonly running = new RunningRequests();
  readonly #options: HttpHandlerOptions;
  readonly #proxies: TrustedProxies;
  readonly #pools: OriginPools;
  readonly #course: RequestCourse;
  readonly #connections = new ClientConnections();
  readonly #limits: RequestLimits;
  readonly #watch: StallWatch;
  readonly #ended = new EndedRequests((summary) => {
    logRequest(this.#options.log, summary, this.#options.accessLogLevel);
    this.#options.onRequestEnd?.(summary);
  });
  readonly #servers: (Server | HttpsServer)[] = [];
  readonly #http2: UserSessions;
  #requests = 0;
  #isDraining = false;
  #onDrained: (() => void) | undefined;

  constructor(options: HttpHandlerOptions) {
    this.#options = options;
    this.#proxies = options.proxies ?? new TrustedProxies();
    const pools = new OriginPools(options.pools);
    const limits = new RequestLimits(options.limits ?? HTTP_LIMITS_DEFAULTS);
    this.#limits = limits;
    const { clock = systemClock } = options;
    const refusals = options.refusals ?? new RefusalLog({ clock, log: options.log });
    this.#http2 = new UserSessions({
      clock: options.clock,
      limits: () => limits.limits,
      onRequest: (request, response) => this.#onHttp2Request(request, response),
      onFlood: (error, socket) => {
        const told = { message: 'connection ended', listener: 'https', error };
        refusals.add(connectionRefusal(socket, told));
      },
    });
    const watch = new StallWatch({
      clock: options.clock,
      limits: () => limits.limits,
      users: [this.#connections, this.#http2],
      isIdle: () => this.#requests === 0,
    });
    this.#watch = watch;
    const isDraining = (): boolean => this.#isDraining;
    this.#pools = pools;
    const { gate, router, log, onRequestMoved } = options;
    this.#course = new RequestCourse({
      ...(gate && { gate }),
      router,
      log,
      ...(onRequestMoved && { onRequestMoved }),
      host: {
        pools,
        bodies: new WholeBodies(),
        limits,
        watch,
        get isDraining() {
          return isDraining();
        },
        onLive: (upgrade, socket) => this.#onLive(upgrade, socket),
      },
      limits,
      connections: this.#connections,
      running: this.running,
    });
  }

  get stats(): HttpStats {
    return {
      connections: this.#connections.size + this.#http2.size,
      requests: this.#requests,
      upgrades: this.upgrades.size,
      origins: this.#pools.stats,
      isDraining: this.#isDraining,
    };
  }

  /**
   * Serves a server made with HTTP_SERVER_OPTIONS, plain or TLS; over TLS also HTTP/2, where the server offers it. May be
   * called for several.
   */
  attach(server: Server | HttpsServer): void {
    Object.assign(server, HTTP_SERVER_PROPERTIES);
    if (this.#options.limits !== undefined)
      Object.assign(server, serverLimits(this.#limits.limits));
    this.#servers.push(server);
    this.#connections.track(server);
    if ('setSecureContext' in server) this.#http2.attach(server);
    server.on('request', (request, response) => this.#onRequest(request, response, false));
    server.on('checkContinue', (request, response) => this.#onRequest(request, response, true));
    server.on('checkExpectation', (request, response) => this.#onExpectation(request, response));
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    server.on('connect', (request: IncomingMessage, socket: Socket) =>
      this.#onUpgrade(request, socket, Buffer.alloc(0)),
    );
    server.on('clientError', (error: Error, socket: Socket) => this.#onClientError(error, socket));
  }

  /** Puts other limits in force: for what comes from now on, and times also for what is under way. */
  setLimits(limits: HttpLimits): void {
    this.#limits.limits = limits;
    for (const server of this.#servers) Object.assign(server, serverLimits(limits));
  }

  /** Forgets the idle origin connections of a replica's rule; those in use close after their request. */
  dropPool(poolKey: string): void {
    this.#pools.drop(poolKey);
  }

  /** When the oldest request under way began, as performance.now() counts; undefined without any. */
  get busySince(): number | undefined {
    const oldest = Math.min(
      this.#connections.busySince ?? Number.POSITIVE_INFINITY,
      this.#http2.busySince ?? Number.POSITIVE_INFINITY,
    );
    return Number.isFinite(oldest) ? oldest : undefined;
  }

  /** Forgets all idle origin connections; those in use close after their request. */
  dropPools(): void {
    this.#pools.close();
  }

  /**
   * Finishes what is under way and takes no connection for a second request. Resolves when no request and no WebSocket
   * is left; the caller closes the listeners before, idle connections after a while, and `upgrades` when it is tired of
   * waiting. Safe to call twice.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#http2.drain();
    this.#ended.tellAll();
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => {
      const before = this.#onDrained;
      this.#onDrained = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Takes drain() back: connections carry any number of requests again. */
  resume(): void {
    this.#isDraining = false;
    this.#http2.resume();
  }

  /** Ends connections that have carried nothing for this long, ms. */
  closeIdle(idleMs: number): void {
    this.#connections.closeIdle(idleMs);
  }

  /** Logs and counts what has ended, for somebody who looks now. */
  tellEnded(): void {
    this.#ended.tellAll();
  }

  /** Ends everything at once. */
  close(): void {
    this.upgrades.destroy();
    this.#watch.stop();
    this.#connections.destroy();
    this.#http2.destroy();
    this.#pools.close();
    this.#ended.tellAll();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    this.#connections.run(request.socket, () => {
      const record = this.#begin(request);
      const { socket } = request;
      response.on('close', () => this.#onResponseClosed(record, response, socket));
      const taken = { request, response, record, expectsContinue };
      this.#takeGuarded(taken, this.#guard(request, false), true);
    });
  }

  /** Requests of one connection do not wait for each other, and there is no parser's error to tell them of. */
  #onHttp2Request(request: Http2Request, response: Http2Response): void {
    const guarded = this.#guard(request, false);
    if (guarded.ok && guarded.isWebSocket) {
      this.#takeWebSocket(request, guarded, new StreamUpgrade(request, response));
      return;
    }
    const record = this.#begin(request);
    response.on('close', () => this.#onResponseOver(record, response));
    const { expect } = request.headers;
    const expectsContinue = expect?.toLowerCase() === '100-continue';
    if (expect !== undefined && !expectsContinue)
      this.#refuseExpectation(request, response, record);
    else this.#takeGuarded({ request, response, record, expectsContinue }, guarded, true);
  }

  /** `isLast`: the connection is of no use after a refusal. */
  #takeGuarded(
    { request, response, record, expectsContinue }: Taken,
    guarded: GuardedRequest | GuardRefusal,
    isLast: boolean,
  ): void {
    if (!guarded.ok) {
      answerError(request, response, record, { ...guarded, isLast });
      return;
    }
    record.hostname = guarded.hostname;
    record.path = guarded.path;
    const unwelcome = this.#options.door?.heard(request.socket);
    const error = unwelcome ?? this.#limits.enter(record, false);
    if (error !== undefined) {
      const ends = isLast && (guarded.hasBody || unwelcome !== undefined);
      answerError(request, response, record, { error, isLast: ends });
      return;
    }
    if (this.#options.intercept?.request?.(request, response, guarded) === true) return;
    this.#course.serve({ request, guarded, record, to: response, expectsContinue });
  }

  #onExpectation(request: IncomingMessage, response: ServerResponse): void {
    this.#connections.run(request.socket, () => {
      const record = this.#begin(request);
      const { socket } = request;
      response.on('close', () => this.#onResponseClosed(record, response, socket));
      this.#refuseExpectation(request, response, record);
    });
  }

  #refuseExpectation(request: UserRequest, response: UserResponse, record: RequestRecord): void {
    const message = 'Cannot serve the request: its Expect field is not "100-continue"';
    const error = new PosternError('HTTP_BAD_REQUEST', message);
    answerError(request, response, record, { error, status: 417, isLast: true });
  }

  /** Also for CONNECT, which the guard refuses. */
  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Node has taken its own listeners off, those of a response under way included. Nobody sends this but to smuggle.
    socket.on('error', () => undefined);
    if (this.#connections.isBusy(socket)) {
      socket.destroy();
      return;
    }
    this.#connections.run(socket, () => {
      const guarded = this.#guard(request, true);
      if (guarded.ok && guarded.isWebSocket) this.#onWebSocket(request, head, guarded);
      else this.#onOtherUpgrade(request, guarded);
    });
  }

  #onWebSocket(request: IncomingMessage, head: Buffer, guarded: GuardedRequest): void {
    const { socket } = request;
    if (this.#options.intercept?.upgrade?.(request, socket, head, guarded) === true) {
      this.#connections.release(socket);
      this.#options.door?.release(socket);
      return;
    }
    this.#takeWebSocket(request, guarded, new SocketUpgrade(request, socket, head));
  }

  #takeWebSocket(request: UserRequest, guarded: GuardedRequest, to: PendingUpgrade): void {
    const record = this.#begin(request);
    record.hostname = guarded.hostname;
    record.path = guarded.path;
    to.onEnd = () => {
      this.#requests -= 1;
      this.#finish(record);
    };
    const arrival: Arrival = { request, guarded, record, to, expectsContinue: false };
    const error = this.#options.door?.heard(request.socket) ?? this.#limits.enter(record, true);
    if (error === undefined) this.#course.serve(arrival);
    else this.#course.answer(arrival, error);
  }

  /** An Upgrade to anything else is served as if it had not been asked for, and is the last request of its connection. */
  #onOtherUpgrade(request: IncomingMessage, guarded: GuardedRequest | GuardRefusal): void {
    const { socket } = request;
    const record = this.#begin(request);
    const response = responseOn(request, socket);
    response.on('close', () => this.#onResponseClosed(record, response, socket));
    // The response says by itself that the connection ends.
    this.#takeGuarded({ request, response, record, expectsContinue: false }, guarded, false);
  }

  #guard(request: UserRequest, isUpgrade: boolean): GuardedRequest | GuardRefusal {
    const { method = '', url = '', httpVersion, rawHeaders, socket, http2 } = request;
    const servername = servernameOf(socket);
    const { maxHeaderBytes } = this.#limits.limits;
    return checkRequest({
      method,
      url,
      httpVersion,
      rawHeaders,
      servername,
      isUpgrade,
      http2,
      maxHeaderBytes,
    });
  }

  #begin(request: UserRequest): RequestRecord {
    this.#requests += 1;
    this.#watch.wake();
    const { method = '', httpVersion } = request;
    const { client, forwardedFor, isTls } = this.#proxies.provenanceOf(request);
    const record = new RequestRecord(newRequestId(), client, method, httpVersion);
    record.forwardedFor = forwardedFor;
    record.isTls = isTls;
    record.trace = this.#options.trace?.(request);
    return record;
  }

  #onLive(upgrade: LiveUpgrade, socket: Socket): void {
    this.#requests -= 1;
    this.#connections.release(socket);
    // One over HTTP/2 is a stream of a connection that goes on.
    if (upgrade.record.httpVersion !== '2.0') this.#options.door?.release(socket);
    this.upgrades.add(upgrade);
    const held = this.running.passOf(upgrade.record)?.hold((error) => {
      upgrade.close(CLOSE_REVOKED, error);
    });
    upgrade.onEnd = () => {
      held?.release();
      this.upgrades.remove(upgrade);
      this.#finish(upgrade.record);
    };
  }

  /** The response is written, or its connection broke. */
  #onResponseClosed(record: RequestRecord, response: ServerResponse, socket: Socket): void {
    this.#onResponseOver(record, response);
    this.#connections.done(socket, !response.shouldKeepAlive);
  }

  #onResponseOver(record: RequestRecord, response: UserResponse): void {
    this.#requests -= 1;
    if (!response.writableFinished) record.fail('HTTP_ABORTED');
    this.#finish(record);
  }

  #finish(record: RequestRecord): void {
    this.running.remove(record);
    this.#limits.leave(record);
    this.#ended.add(record.summary());
    const onDrained = this.#onDrained;
    if (onDrained === undefined || !this.#isIdle()) return;
    this.#onDrained = undefined;
    this.#ended.tellAll();
    onDrained();
  }

  #isIdle(): boolean {
    return this.#requests === 0 && this.upgrades.size === 0;
  }

  /** The parser refused bytes, or the connection broke. */
  #onClientError(cause: Error, socket: Socket): void {
    const code = parserErrorCode(codeOf(cause));
    const running = this.#connections.runningOn(socket);
    if (code === undefined || !socket.writable) {
      socket.destroy();
    } else if (running?.isReceiving === true) {
      const message = `Cannot read the body of the request: ${cause.message}`;
      running.fail(new PosternError(code, message, { cause }));
    } else if (this.#connections.isBusy(socket)) {
      // What is broken came after the request under way, which is still to be answered.
      this.#connections.endAfter(socket);
    } else if (!this.#connections.isClosing(socket)) {
      this.#refuseBytes(code, cause, socket);
    }
  }

  #refuseBytes(code: ErrorCode, cause: Error, socket: Socket): void {
    const record = unreadRecord(code, cause, socket);
    this.#connections.endWith(socket, rawErrorResponse(code, record.requestId));
    this.#finish(record);
  }
}

/** A request that has just come. */
interface Taken {
  readonly request: UserRequest;
  readonly response: UserResponse;
  readonly record: RequestRecord;
  readonly expectsContinue: boolean;
}
