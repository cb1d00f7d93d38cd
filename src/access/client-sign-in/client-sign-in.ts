/**
 * Signing in from the command line: `/.postern/client/…` on the auth host. docs/access.md "From the command line".
 *
 * Pages are for the browser's session and answer to its cookie; everything else is JSON and answers to the secret of a client
 * session. Neither is ever good for the other (case C5). What fails costs the address a token of its limit (case A1).
 */
import type { ErrorCode } from '../../core/error-codes.ts';
import { hasCode } from '../../core/error.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import { problemPage } from '../pages/problem-page.ts';
import { AddressLimit } from '../sign-in/address-limit.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { ClientAccess, type ClientGrant } from './client-access.ts';
import { codeEntryPage, donePage } from './client-pages.ts';
import type { ClientSignInPorts } from './client-sign-in-ports.ts';
import { DeviceFlow } from './device-flow.ts';
import { jsonAnswer, jsonFields, jsonProblem } from './json-answer.ts';
import { LoopbackFlow } from './loopback-flow.ts';

const BASE = '/.postern/client/';
/** A client session that would be over sooner, ms, is not worth beginning: its user signs in anew. */
const LEAST_SESSION_MS = 5 * 60_000;
/** Where a code is typed, and where a command asks for one. */
const DEVICE_PATH = `${BASE}device`;

export class ClientSignIn {
  readonly #ports: ClientSignInPorts;
  readonly #access: ClientAccess;
  readonly #loopback: LoopbackFlow;
  readonly #device: DeviceFlow;
  readonly #limit: AddressLimit;

  constructor(ports: ClientSignInPorts) {
    this.#ports = ports;
    this.#access = new ClientAccess(ports);
    this.#loopback = new LoopbackFlow(ports);
    this.#device = new DeviceFlow(ports);
    this.#limit = new AddressLimit(ports.clock);
  }

  /** Answers any request below `/.postern/client/` on the auth host. Never rejects. */
  async handle(request: WebRequest): Promise<WebResponse> {
    try {
      if (!this.#limit.allows(request.address)) return tooMany(request);
      return await this.#route(request);
    } catch (err) {
      if (hasCode(err, 'STORE_LIMIT')) return tooMany(request);
      const fields = { [FIELD.request]: request.requestId, [FIELD.err]: err };
      this.#ports.log.error(fields, 'sign-in of a client failed');
      return jsonProblem(500, 'HTTP_INTERNAL', request);
    }
  }

  async #route(request: WebRequest): Promise<WebResponse> {
    const what = request.path.startsWith(BASE) ? request.path.slice(BASE.length) : '';
    switch (`${request.method} ${what}`) {
      case 'GET authorize':
        return this.#page(request, (session) => this.#loopback.confirm(request, session));
      case 'POST authorize':
        return this.#page(request, async (session) => this.#loopback.answer(request, session));
      case 'GET device':
        return this.#page(request, () => codeEntryPage(DEVICE_PATH));
      case 'POST device':
        if (jsonFields(request) !== undefined) return this.#beginDevice(request);
        return this.#page(request, async (session) =>
          this.#device.handleForm(request, session, () => this.#limit.charge(request.address)),
        );
      case 'GET done':
        return donePage(request.query.get('result') === 'ok');
      case 'POST token':
        return this.#token(request);
      case 'GET access':
        return this.#access.needs(request);
      case 'POST app-token':
        return this.#withSession(request, async (s) => this.#access.appToken(request, s));
      case 'GET whoami':
        return this.#withSession(request, async (s) => this.#access.whoami(s));
      case 'POST logout':
        return this.#withSession(request, async (s) => this.#access.logout(request, s));
      default:
        return notFound(request);
    }
  }

  /** A page for who is signed in in this browser; others sign in first, and come back where that makes sense. */
  async #page(
    request: WebRequest,
    answer: (session: Session) => WebResponse | Promise<WebResponse>,
  ): Promise<WebResponse> {
    const { browser } = this.#ports;
    const session = await browser.session(request);
    if (session?.kind === 'browser' && this.#isFresh(session)) return answer(session);
    const isVisit = request.method === 'GET';
    const search = isVisit && request.search !== '' ? `?${request.search}` : '';
    return browser.start(request, request.path + search);
  }

  /** Whether a client session that begins now lasts for a while. */
  #isFresh({ authenticatedAt }: Session): boolean {
    const { clock } = this.#ports;
    const duration = this.#ports.clientSessionMs();
    return authenticatedAt + duration - clock.wall() > Math.min(LEAST_SESSION_MS, duration / 2);
  }

  async #beginDevice(request: WebRequest): Promise<WebResponse> {
    // A row for each: it costs, whatever becomes of it.
    if (!this.#limit.charge(request.address)) return tooMany(request);
    return this.#device.begin(request, DEVICE_PATH);
  }

  async #token(request: WebRequest): Promise<WebResponse> {
    const fields = jsonFields(request);
    const code = fields?.get('code');
    if (code !== undefined) {
      const grant = await this.#loopback.redeem(code, fields?.get('verifier') ?? '');
      return this.#beginSession(request, grant);
    }
    const deviceCode = fields?.get('deviceCode');
    if (deviceCode === undefined) return jsonProblem(400, 'HTTP_BAD_REQUEST', request);
    const poll = await this.#device.poll(deviceCode, () => this.#limit.charge(request.address));
    if ('grant' in poll) return this.#beginSession(request, poll.grant);
    if (poll.error === 'slow_down') this.#limit.charge(request.address);
    return jsonAnswer(400, { error: poll.error });
  }

  async #beginSession(request: WebRequest, grant: ClientGrant | undefined): Promise<WebResponse> {
    const begun = grant === undefined ? undefined : await this.#access.begin(request, grant);
    if (begun !== undefined) return begun;
    this.#limit.charge(request.address);
    return jsonAnswer(400, { error: 'invalid_grant' });
  }

  async #withSession(
    request: WebRequest,
    answer: (session: Session) => Promise<WebResponse>,
  ): Promise<WebResponse> {
    const session = await this.#access.session(request);
    if (session !== undefined) return answer(session);
    this.#limit.charge(request.address);
    return jsonProblem(401, 'ACCESS_SIGN_IN', request, [['www-authenticate', 'Bearer']]);
  }
}

function tooMany(request: WebRequest): WebResponse {
  return jsonProblem(429, 'ACCESS_TOO_MANY', request, [['retry-after', '60']]);
}

function notFound({ requestId }: WebRequest): WebResponse {
  const code: ErrorCode = 'ROUTE_NOT_FOUND';
  const text = 'This address belongs to sign-in, and there is nothing behind it.';
  return problemPage({ status: 404, title: 'Nothing here', text, code, requestId });
}
