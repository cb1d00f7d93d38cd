/**
 * The gate on the HTTP path: `/.postern/` and the auth host are the gateway's own, everything else is judged request by
 * request. docs/access.md "Sessions and tokens".
 *
 * At once where everything is in memory, since it stands before every request. A program gets 401, a browser that visits a
 * page is led to sign in (case C16), and nobody learns which rule kept them out.
 */
import type { AppSignIn } from '../../access/app-sign-in/app-sign-in.ts';
import type { Gate, GateAsk, Verdict } from '../../access/gate.ts';
import { deniedPage } from '../../access/pages/denied-page.ts';
import { displayName } from '../../access/pages/display-name.ts';
import { findApplication } from '../../access/policy/find-application.ts';
import type { PublicAddress } from '../../access/public-address.ts';
import type { Session } from '../../access/sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../../access/web-message.ts';
import { PosternError } from '../../core/error.ts';
import type { Admission, GateRequest, RequestGate, RequestPass } from '../http/request-gate.ts';
import type { RequestRecord } from '../http/record/request-record.ts';
import type { UserRequest } from '../http/user/user-message.ts';
import type { IdentityHeaders } from './identity-headers.ts';
import { BAD_CREDENTIAL, type KnownRequester, type PrincipalReader } from './request-principal.ts';
import { foreignWebSocket } from './websocket-origin.ts';

export interface HttpAccessOptions {
  readonly gate: Gate;
  readonly reader: PrincipalReader;
  readonly headers: IdentityHeaders;
  readonly address: PublicAddress;
  readonly appSignIn: Pick<AppSignIn, 'leave'>;
  /** Answers what is the gateway's own: the auth host, and `/.postern/` elsewhere. */
  own(request: WebRequest): Promise<WebResponse>;
  /** Somebody uses a session: its claims may be due for a refresh. */
  onUsed(session: Session): void;
  onDenied(denial: Denial): void;
  /** A WebSocket went live; the result is called when it is over. */
  onLive(record: RequestRecord, verdict: Verdict): () => void;
}

/** A decision against a request. */
export interface Denial {
  readonly verdict: Verdict;
  readonly hostname: string;
  readonly address: string;
  readonly requestId: string;
}

export class HttpAccess implements RequestGate {
  readonly #options: HttpAccessOptions;

  constructor(options: HttpAccessOptions) {
    this.#options = options;
  }

  admit(gateRequest: GateRequest): Admission | Promise<Admission> {
    const { request, guarded } = gateRequest;
    const { hostname, path } = guarded;
    const isOwn = hostname === this.#options.address.authHost || isOwnPath(path);
    if (isOwn) {
      if (guarded.isWebSocket) return refuse('ROUTE_NOT_FOUND', `no WebSocket is served here`);
      return { kind: 'own', answer: async (web) => this.#options.own(web) };
    }
    const found = findApplication(
      this.#options.gate.rulesFor(hostname).applications,
      hostname,
      path,
    );
    const application = typeof found === 'string' ? undefined : found;
    const requester = this.#options.reader.read(request, application);
    return requester instanceof Promise
      ? requester.then(async (known) => this.#judge(gateRequest, known))
      : this.#judge(gateRequest, requester);
  }

  #judge(
    gateRequest: GateRequest,
    requester: KnownRequester | typeof BAD_CREDENTIAL,
  ): Admission | Promise<Admission> {
    if (requester === BAD_CREDENTIAL) return refuse('ACCESS_SIGN_IN', 'its credential is not good');
    const { guarded, record } = gateRequest;
    const { principal, purpose } = requester;
    const { hostname, path } = guarded;
    const ask = { hostname, path, principal, purpose, address: record.client.address };
    const verdict = this.#options.gate.judge(ask);
    note(record, verdict);
    if (principal.session !== undefined) this.#options.onUsed(principal.session);
    if (verdict.outcome === 'deny') return this.#deny(gateRequest, verdict);
    if (verdict.outcome === 'sign-in') return this.#signIn(gateRequest, requester, verdict);
    const foreign = foreignOrigin(gateRequest, requester, verdict);
    if (foreign !== undefined) return refuse('ACCESS_DENIED', foreign);
    const headers = this.#options.headers.of(verdict);
    return headers instanceof Promise
      ? headers.then((made) => this.#pass(gateRequest, requester, ask, verdict, made))
      : this.#pass(gateRequest, requester, ask, verdict, headers);
  }

  #pass(
    { record }: GateRequest,
    { ownsAuthorization }: KnownRequester,
    ask: GateAsk,
    verdict: Verdict,
    identityHeaders: readonly string[],
  ): Admission {
    const pass: RequestPass = {
      identityHeaders,
      ownsAuthorization,
      right: verdict,
      application: verdict.application,
      hold: (end) => {
        const over = this.#options.onLive(record, verdict);
        const held = this.#options.gate.hold(ask, verdict, end);
        return {
          release: () => {
            held.release();
            over();
          },
        };
      },
    };
    return { kind: 'pass', pass };
  }

  #deny({ request, guarded, record }: GateRequest, verdict: Verdict): Admission {
    const { hostname } = guarded;
    const { requestId, client } = record;
    this.#options.onDenied({ verdict, hostname, address: client.address, requestId });
    const identity = verdict.principal.session?.identity;
    const error = denial('ACCESS_DENIED', hostname, verdict);
    if (identity === undefined || !isVisit(request)) return { kind: 'refuse', error };
    record.fail(error.code, error);
    const switchUrl = `${this.#options.address.authOrigin}/.postern/logout`;
    return { kind: 'answer', response: deniedPage({ identity, requestId, switchUrl }) };
  }

  #signIn(
    { request, guarded, record }: GateRequest,
    { isProgram }: KnownRequester,
    verdict: Verdict,
  ): Admission {
    const { hostname, target } = guarded;
    const { application } = verdict;
    const error = denial('ACCESS_SIGN_IN', hostname, verdict);
    if (application === undefined || isProgram || guarded.isWebSocket || !isVisit(request)) {
      return { kind: 'refuse', error };
    }
    record.fail(error.code, error);
    const cookies = request.headers.cookie;
    const response = this.#options.appSignIn.leave({ application, hostname, target, cookies });
    return { kind: 'answer', response };
  }
}

function isOwnPath(path: string): boolean {
  return path.startsWith('/.postern/') || path === '/.postern';
}

/** Whether a browser goes to a page, as against a program or a script of a page that fetches something. */
function isVisit({ method, headers }: UserRequest): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  if (headers['x-requested-with'] !== undefined) return false;
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined && mode !== 'navigate') return false;
  return /\b(?:text\/html|application\/xhtml\+xml)\b/i.test(headers.accept ?? '');
}

/** Why a WebSocket may not use what its browser sent by itself. */
function foreignOrigin(
  { request, guarded, record }: GateRequest,
  { isProgram }: KnownRequester,
  { by, application, principal }: Verdict,
): string | undefined {
  if (!guarded.isWebSocket || isProgram || by !== 'user' || application === undefined)
    return undefined;
  return foreignWebSocket({
    host: guarded.host,
    origin: request.headersDistinct['origin']?.join(),
    isTls: record.isTls,
    hasCookie: principal.session !== undefined,
    application,
  });
}

function refuse(
  code: 'ACCESS_DENIED' | 'ACCESS_SIGN_IN' | 'ROUTE_NOT_FOUND',
  why: string,
): Admission {
  return { kind: 'refuse', error: new PosternError(code, `Cannot serve the request: ${why}`) };
}

function denial(
  code: 'ACCESS_DENIED' | 'ACCESS_SIGN_IN',
  hostname: string,
  verdict: Verdict,
): PosternError {
  return new PosternError(code, `Cannot reach "${hostname}": ${verdict.reason}`);
}

/** What the access log says of the decision (case A4). */
function note(record: RequestRecord, verdict: Verdict): void {
  const { principal, application, policy, outcome, reason } = verdict;
  const { session, serviceToken } = principal;
  record.access = {
    user: session === undefined ? serviceToken?.name : displayName(session.identity),
    session: session?.id ?? serviceToken?.id,
    application: application?.name,
    policy: policy?.name,
    decision: outcome,
    reason,
  };
}
