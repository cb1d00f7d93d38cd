/**
 * Sign-in on `auth.<domain>`: the chooser, the flows of the providers, the home page and signing out. docs/access.md "Signing in".
 *
 * Everything that the ways to sign in have in common is here and nowhere else: limits per address, transactions, sessions that are new
 * at each sign-in (case C1), and one audit event for each outcome (A5). What an application may be is the gate's.
 */
import type { Clock } from '../../core/clock.ts';
import { hasCode } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { chooserPage } from '../pages/chooser-page.ts';
import { continuePage } from '../pages/continue-page.ts';
import { displayName } from '../pages/display-name.ts';
import { html } from '../pages/html.ts';
import { signedOutPage } from '../pages/logout-page.ts';
import { problemPage } from '../pages/problem-page.ts';
import { redirect } from '../pages/redirect.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { AccountPages } from './account-pages.ts';
import { AddressLimit } from './address-limit.ts';
import { ClaimRefresh } from './claim-refresh.ts';
import { dropSurplusLogins } from './login-cookies.ts';
import { failurePage } from './failure-page.ts';
import type { LoginFailure } from './login-failure.ts';
import { LoginTransactions } from './login-transactions.ts';
import type { FlowHost, ProviderFlow, RefreshedLogin } from './provider-flow.ts';
import { setSessionCookie, sessionSecret } from './session-cookie.ts';
import type {
  OnceRows,
  OutsideAddress,
  Session,
  SessionKeeper,
  WriteAudit,
} from './sign-in-ports.ts';
import type { Tickets } from './tickets.ts';

export interface SignInOptions {
  /** In the order of the configuration. */
  readonly flows: readonly ProviderFlow[];
  readonly sessions: SessionKeeper;
  readonly rows: Pick<OnceRows, 'put' | 'take'>;
  readonly tickets: Tickets;
  readonly address: OutsideAddress;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
}

export class SignIn {
  readonly #options: SignInOptions;
  readonly #flows: ReadonlyMap<string, ProviderFlow>;
  readonly #transactions: LoginTransactions;
  readonly #limit: AddressLimit;
  readonly #account: AccountPages;
  readonly #refresh: ClaimRefresh;

  constructor(options: SignInOptions) {
    this.#options = options;
    this.#flows = new Map(options.flows.map((flow) => [flow.id, flow]));
    this.#transactions = new LoginTransactions(options.rows, options.clock);
    this.#limit = new AddressLimit(options.clock);
    const withFlows = { ...options, flow: (id: string) => this.#flows.get(id) };
    this.#account = new AccountPages(withFlows);
    this.#refresh = new ClaimRefresh(withFlows);
  }

  /** The session of the browser that sent the request, or undefined. */
  async session(request: WebRequest): Promise<Session | undefined> {
    const secret = sessionSecret(request);
    return secret === undefined ? undefined : this.#options.sessions.verify(secret);
  }

  /** Says that a session is used, wherever: its claims are asked for again when they are old. Never rejects. */
  async used(session: Session): Promise<void> {
    await this.#refresh.used(session);
  }

  /**
   * Has the user sign in and then visit `destination`, a path of the auth host: the answer to a request that needs a session and
   * has none. Goes straight to the provider when there is only one.
   */
  async start(request: WebRequest, destination: string): Promise<WebResponse> {
    return this.#guarded(request, async () =>
      this.#choose(request, this.#options.tickets.issue(destination)),
    );
  }

  /** Answers any request to the auth host. Never rejects. */
  async handle(request: WebRequest): Promise<WebResponse> {
    return this.#guarded(request, async () => this.#route(request));
  }

  async #route(request: WebRequest): Promise<WebResponse> {
    const [root, area = '', id = '', ...rest] = request.path.slice(1).split('/');
    const ticket = request.query.get('ticket') ?? undefined;
    if (request.path === '/') return this.#home(request);
    if (root !== '.postern') return notFound(request);
    if (area === 'sign-in' && rest.length === 0) {
      if (!isVisit(request)) return notAllowed(request);
      const flow = this.#flows.get(id);
      if (flow !== undefined) return this.#startFlow(request, flow, this.#known(ticket));
      return id === '' ? this.#choose(request, this.#known(ticket)) : notFound(request);
    }
    if (area === 'signed-out' && id === '') return signedOutPage();
    if (area === 'logout' && id === '')
      return this.#account.logout(request, await this.session(request));
    if (area === 'sessions' && id === 'revoke')
      return this.#account.revoke(request, await this.session(request));
    const flow = this.#flows.get(id);
    if (flow === undefined || flow.type !== area) return notFound(request);
    if (!this.#limit.allows(request.address)) return this.#tooMany(request);
    return flow.handle(request, rest.join('/'), this.#hostFor(flow));
  }

  /** A ticket that is ours; whatever else somebody sent leads home. */
  #known(ticket: string | undefined): string {
    const { tickets } = this.#options;
    return tickets.issue(tickets.read(ticket));
  }

  async #home(request: WebRequest): Promise<WebResponse> {
    if (!isVisit(request)) return notAllowed(request);
    const session = await this.session(request);
    if (session !== undefined) return this.#account.home(session);
    // Never straight to the provider: who has just signed out would be signed in again.
    return this.#chooser(this.#options.tickets.issue('/'), { account: 'choose' });
  }

  async #choose(request: WebRequest, ticket: string): Promise<WebResponse> {
    const [only, ...others] = this.#flows.values();
    if (only === undefined || others.length > 0) return this.#chooser(ticket);
    return this.#startFlow(request, only, ticket);
  }

  /** `further`: what the flow is told too. */
  #chooser(ticket: string, further: Readonly<Record<string, string>> = {}): WebResponse {
    const query = new URLSearchParams({ ticket, ...further }).toString();
    return chooserPage(
      [...this.#flows.values()].map(({ id, label }) => ({
        label,
        url: `/.postern/sign-in/${id}?${query}`,
      })),
    );
  }

  async #startFlow(request: WebRequest, flow: ProviderFlow, ticket: string): Promise<WebResponse> {
    if (!this.#limit.charge(request.address)) return this.#tooMany(request);
    const response = await flow.start({ ticket, request }, this.#hostFor(flow));
    // Here and not at the callback: the other cookies may be of tabs whose user is at the provider now.
    const surplus = dropSurplusLogins(request).map((cookie) => ['set-cookie', cookie] as const);
    return { ...response, headers: [...surplus, ...response.headers] };
  }

  #hostFor(flow: ProviderFlow): FlowHost {
    return {
      begin: async (request, login) => this.#transactions.begin(request, flow.id, login),
      finish: async (request, reference) => this.#transactions.finish(request, flow.id, reference),
      signedIn: async (request, ticket, login) => this.#signedIn(request, ticket, login),
      failed: async (request, reason, detail) => {
        await this.#auditFailure(request, flow, reason, detail);
        return failurePage(request, reason);
      },
      charge: ({ address }) => void this.#limit.charge(address),
      auditFailure: async (request, reason, detail) =>
        this.#auditFailure(request, flow, reason, detail),
    };
  }

  async #signedIn(
    request: WebRequest,
    ticket: string,
    login: RefreshedLogin,
  ): Promise<WebResponse> {
    const { sessions, audit, address, tickets } = this.#options;
    const { identity, provider } = login;
    const before = await this.session(request);
    const { session, secret } = await sessions.create({
      kind: 'browser',
      identity,
      provider,
      address: request.address,
      agent: (request.header('user-agent') ?? '').slice(0, LIMITS.agentChars),
    });
    if (before !== undefined && !this.#isSameMoment(before, identity)) {
      await sessions.revoke(before.id, 'signed in again');
    }
    await audit({
      type: 'login.ok',
      actor: displayName(identity),
      detail: {
        provider: identity.provider,
        subject: identity.subject,
        session: session.id,
        address: request.address,
        requestId: request.requestId,
      },
    });
    const url = address.origin(address.authHost) + tickets.read(ticket);
    const cookie = ['set-cookie', setSessionCookie(secret)] as const;
    if (request.method === 'POST') return continuePage('You are signed in', url, [cookie]);
    return redirect(url, [cookie]);
  }

  /** Tabs that sign the same person in at once must not end each other's sessions. */
  #isSameMoment(before: Session, { provider, subject }: Session['identity']): boolean {
    const { identity, createdAt } = before;
    const isSame = identity.provider === provider && identity.subject === subject;
    return isSame && this.#options.clock.wall() - createdAt < LIMITS.sameSignInMs;
  }

  async #auditFailure(
    request: WebRequest,
    flow: ProviderFlow,
    reason: LoginFailure,
    detail: string,
  ): Promise<void> {
    this.#limit.charge(request.address);
    const { address, requestId } = request;
    await this.#options.audit({
      type: 'login.fail',
      detail: { provider: flow.id, reason, why: detail, address, requestId },
    });
  }

  async #guarded(request: WebRequest, answer: () => Promise<WebResponse>): Promise<WebResponse> {
    try {
      return await answer();
    } catch (err) {
      if (hasCode(err, 'STORE_LIMIT')) return this.#tooMany(request);
      const fields = { [FIELD.request]: request.requestId, err };
      this.#options.log.error(fields, 'sign-in failed');
      return failurePage(request, 'internal');
    }
  }

  /** Not in the audit log: what is refused by thousands would push out what matters. */
  #tooMany(request: WebRequest): WebResponse {
    const fields = { [FIELD.request]: request.requestId, [FIELD.client]: request.address };
    this.#options.log.debug(fields, 'too many sign-ins from one address');
    return problemPage({
      status: 429,
      title: 'Too many attempts',
      text: 'Too many sign-ins were tried from your network. Wait a minute and try again.',
      code: 'ACCESS_TOO_MANY',
      requestId: request.requestId,
      headers: [['retry-after', '60']],
    });
  }
}

function isVisit({ method }: WebRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

function notFound({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 404,
    title: 'Nothing here',
    text: 'This address belongs to sign-in, and there is nothing behind it.',
    code: 'ROUTE_NOT_FOUND',
    requestId,
    action: html`<a class="button plain" href="/">To the start</a>`,
  });
}

function notAllowed({ requestId }: WebRequest): WebResponse {
  return problemPage({
    status: 405,
    title: 'Method not supported',
    text: 'This kind of request is not supported here.',
    code: 'HTTP_METHOD',
    requestId,
  });
}
