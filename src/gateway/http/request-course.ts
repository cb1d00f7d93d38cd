/**
 * What becomes of a request that means one thing only: it is let in, routed, and sent to an origin, perhaps to a second
 * replica's, or answered here.
 *
 * Waits where the router says that asking again may help. The invariant: whoever is served has an exchange or gets one
 * answer, whatever is thrown on the way. Does not count requests and ends none: see http-handler.ts.
 */
import type { WebResponse } from '../../access/web-message.ts';
import type { PosternError } from '../../core/error.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import { answerError } from './answer/answer-error.ts';
import { internalError } from './answer/internal-error.ts';
import { type Arrival, Exchange, type ExchangeHost } from './exchange.ts';
import { requestHeaders } from './fields/request-headers.ts';
import type { HttpHandlerOptions } from './http-handler-options.ts';
import { bodyTooLarge, type RequestLimits } from './limits/request-limits.ts';
import { isReplicaLost } from './may-go-elsewhere.ts';
import type { RouteResult } from './origin/origin-opener.ts';
import { EVERYBODY, type Admission, type RequestPass } from './request-gate.ts';
import type { RunningRequests } from './running-requests.ts';
import type { ClientConnections } from './user/client-connections.ts';
import { closeAfter } from './user/client-response.ts';
import { sendWebResponse, toWebRequest } from './web-exchange.ts';

export interface RequestCourseOptions extends Pick<
  HttpHandlerOptions,
  'gate' | 'router' | 'log' | 'onRequestMoved'
> {
  /** What exchanges share, but for the way to another replica, which is here. */
  readonly host: Omit<ExchangeHost, 'elsewhere'>;
  readonly limits: RequestLimits;
  readonly connections: Pick<ClientConnections, 'setRunning'>;
  readonly running: RunningRequests;
}

export class RequestCourse {
  readonly #options: RequestCourseOptions;
  readonly #host: ExchangeHost;

  constructor(options: RequestCourseOptions) {
    this.#options = options;
    const { host } = options;
    this.#host = {
      ...host,
      get isDraining() {
        return host.isDraining;
      },
      elsewhere: (...asked) => this.#elsewhere(...asked),
    };
  }

  /** Asks the gate, and goes on. */
  serve(arrival: Arrival): void {
    try {
      const admission = this.#options.gate?.admit(arrival) ?? EVERYBODY;
      if (admission instanceof Promise) this.#serveLater(arrival, admission);
      else this.#serveAdmitted(arrival, admission);
    } catch (error) {
      this.answer(arrival, internalError(error));
    }
  }

  #serveLater(arrival: Arrival, admission: Promise<Admission>): void {
    admission
      .then((admitted) => {
        if (!isGone(arrival)) this.#serveAdmitted(arrival, admitted);
      })
      .catch((error: unknown) => {
        if (!isGone(arrival)) this.answer(arrival, internalError(error));
      });
  }

  #serveAdmitted(arrival: Arrival, admission: Admission): void {
    switch (admission.kind) {
      case 'pass':
        this.#pass(arrival, admission.pass);
        break;
      case 'refuse':
        this.answer(arrival, admission.error);
        break;
      case 'answer':
        this.#send(arrival, admission.response, arrival.guarded.hasBody);
        break;
      case 'own':
        this.#answerOwn(arrival, admission).catch((error: unknown) => {
          if (!isGone(arrival)) this.answer(arrival, internalError(error));
        });
    }
  }

  /** Goes on to an origin, where the limits of the application allow it. */
  #pass(arrival: Arrival, pass: RequestPass): void {
    const { request, guarded, record } = arrival;
    const { application } = pass;
    const maxBodyBytes = this.#options.limits.maxBodyBytes(application);
    const isTooLarge = guarded.hasBody && Number(request.headers['content-length']) > maxBodyBytes;
    const error = isTooLarge
      ? bodyTooLarge(maxBodyBytes)
      : application && this.#options.limits.enterApplication(record, application);
    if (error !== undefined) this.answer(arrival, error);
    else if (guarded.hasBody) this.#routeAndStart({ ...arrival, maxBodyBytes }, pass);
    else this.#routeAndStart(arrival, pass);
  }

  async #answerOwn(arrival: Arrival, own: Extract<Admission, { kind: 'own' }>): Promise<void> {
    const { to, expectsContinue } = arrival;
    if (expectsContinue && !('respond' in to)) to.writeContinue();
    const response = await own.answer(await toWebRequest(arrival));
    if (!isGone(arrival)) this.#send(arrival, response, false);
  }

  #send(arrival: Arrival, answer: WebResponse, isBodyUnread: boolean): void {
    const { request, record, to } = arrival;
    const response = 'respond' in to ? to.respond() : to;
    record.status = answer.status;
    if (isBodyUnread || this.#host.isDraining) closeAfter(request, response);
    sendWebResponse(request, response, answer);
  }

  /** `failure`: what became of the request before, which is told where it has nowhere to go now. */
  #routeAndStart(arrival: Arrival, pass: RequestPass, failure?: PosternError): void {
    const routed = this.#route(arrival, pass);
    if (routed.ok) this.#start(arrival, pass, routed);
    else if (!this.#waitForRoute(arrival, pass, routed, failure))
      this.answer(arrival, failure ?? routed.error);
  }

  #route(
    { request, guarded, record }: Arrival,
    { right }: RequestPass,
    notAt?: string,
  ): RouteResult {
    const { hostname, path } = guarded;
    const { requestId, client } = record;
    // Node makes the object of fields when it is asked for one, and that takes a while.
    const cookie = right?.application?.stickiness === 'cookie' ? request.headers.cookie : undefined;
    return this.#options.router.route({ hostname, path, requestId, client, right, notAt, cookie });
  }

  #start(arrival: Arrival, pass: RequestPass, routed: Extract<RouteResult, { ok: true }>): void {
    const { target, setCookie } = routed;
    const { request, guarded, record } = arrival;
    const { requestId, forwardedFor, isTls } = record;
    record.tunnelId = target.tunnelId;
    record.tunnelName = target.tunnelName;
    record.replicaId = target.replicaId;
    let path: string;
    try {
      path = target.changes?.target(guarded.target) ?? guarded.target;
    } catch (error) {
      this.answer(arrival, internalError(error));
      return;
    }
    const fields = requestHeaders({
      rawHeaders: request.rawHeaders,
      host: guarded.host,
      hostHeader: target.hostHeader,
      forwardedFor,
      isTls,
      requestId,
      hasBody: guarded.hasBody,
      takesTrailers: target.wholeBodies !== true,
      identity: pass.identityHeaders,
      ownsAuthorization: pass.ownsAuthorization,
      trace: record.trace?.fields,
    });
    const headers = target.changes?.request(fields) ?? fields;
    const exchange = new Exchange(this.#host, arrival, target, { path, headers, setCookie });
    this.#options.running.add(record, { exchange, pass, target });
    this.#options.connections.setRunning(request.socket, exchange);
    exchange.start();
  }

  /** Once for each request. A replica that is gone may come back; an origin that cannot be reached is not waited for. */
  #elsewhere(arrival: Arrival, error: PosternError, hasFailed: boolean): (() => void) | undefined {
    const { record } = arrival;
    const left = this.#options.running.leave(record);
    if (left?.target.replicaId === undefined) return undefined;
    const { pass, target } = left;
    const routed = this.#route(arrival, pass, target.replicaId);
    const mayWait = hasFailed && isReplicaLost(error.code);
    const isWaiting = !routed.ok && mayWait && this.#waitForRoute(arrival, pass, routed, error);
    if (!routed.ok && !isWaiting) return undefined;
    this.#options.log.info(
      { [FIELD.request]: record.requestId, [FIELD.replica]: target.replicaId, [FIELD.err]: error },
      'the request goes to another replica',
    );
    this.#options.onRequestMoved?.(target.tunnelName, error);
    return () => {
      if (routed.ok) this.#start(arrival, pass, routed);
    };
  }

  /** Routes the request again when that may help. False where nothing is to be waited for. */
  #waitForRoute(
    arrival: Arrival,
    pass: RequestPass,
    { wait }: Extract<RouteResult, { ok: false }>,
    failure?: PosternError,
  ): boolean {
    const waiting = wait?.(() => {
      if (isGone(arrival)) return;
      try {
        this.#routeAndStart(arrival, pass, failure);
      } catch (error) {
        this.answer(arrival, internalError(error));
      }
    });
    if (waiting === undefined) return false;
    const { to, record } = arrival;
    const leave = (): void => {
      waiting.release();
      record.fail('HTTP_ABORTED');
    };
    if ('respond' in to) to.onAbort = leave;
    else to.once('close', () => waiting.release());
    return true;
  }

  /** Answers with an error. */
  answer(arrival: Arrival, error: PosternError): void {
    const { request, guarded, record, to } = arrival;
    const response = 'respond' in to ? to.respond() : to;
    const isLast = guarded.hasBody || this.#host.isDraining;
    answerError(request, response, record, { error, isLast });
  }
}

/** Whether the user has left while something was looked up. */
function isGone({ to }: Arrival): boolean {
  return 'respond' in to ? to.isSettled : to.destroyed || to.headersSent;
}
