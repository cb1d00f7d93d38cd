/**
 * How a session at the auth host becomes an app token at an application: three redirects and no page.
 *
 * The application's host sends the browser to `/.postern/authorize` of the auth host, which knows the session, judges, and
 * sends it back to `/.postern/callback` with a code. The code is worth something once, for a minute, at that host and in
 * the browser that began there: a nonce in a cookie of the application's host says so. Everything that leads anywhere is
 * made of the configuration; of the request only a path is kept, and checked (cases O24, O25).
 */
import type { Application } from '../../config/access/application.ts';
import { matchesHostname, normaliseHostname } from '../../config/hostname-pattern.ts';
import type { Clock } from '../../core/clock.ts';
import { newSecret } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { secretHash } from '../../core/secret-hash.ts';
import type { OnceStore } from '../../store/store.ts';
import type { Gate, Verdict } from '../gate.ts';
import { continuePage } from '../pages/continue-page.ts';
import { deniedPage } from '../pages/denied-page.ts';
import { html } from '../pages/html.ts';
import { problemPage } from '../pages/problem-page.ts';
import { purposePage } from '../pages/purpose-page.ts';
import { redirect } from '../pages/redirect.ts';
import type { PublicAddress } from '../public-address.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { returnPath } from '../sign-in/return-path.ts';
import { formOf, isSameOrigin } from '../sign-in/same-origin.ts';
import type { SignIn } from '../sign-in/sign-in.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import type { AppTokens } from '../tokens/app-tokens.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { findCookie, nonceCookieName, setAppCookie, setNonceCookie } from './app-cookies.ts';

export const AUTHORIZE_PATH = '/.postern/authorize';
export const CALLBACK_PATH = '/.postern/callback';

export interface AppSignInOptions {
  readonly gate: Gate;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly tokens: AppTokens;
  readonly codes: OnceStore;
  readonly address: PublicAddress;
  readonly clock: Clock;
  /** Sign-in with a provider. */
  readonly signIn: Pick<SignIn, 'session' | 'start'>;
  /** A decision against somebody, for the log and the audit log. */
  onDenied(request: WebRequest, verdict: Verdict): void;
  /** A token was made. */
  onIssued(request: WebRequest, verdict: Verdict, session: Session, purpose?: string): void;
}

/** Where a sign-in leads, as the query of authorize says it. */
interface Wanted {
  readonly application: Application;
  readonly hostname: string;
  /** With its query. */
  readonly returnTo: string;
  readonly nonceHash: string;
}

/** Made of 32 random bytes, or read from a cookie that we set. */
const NONCE = /^[A-Za-z0-9_-]{43}$/;
const HASH = /^[0-9a-f]{64}$/;

export class AppSignIn {
  readonly #options: AppSignInOptions;

  constructor(options: AppSignInOptions) {
    this.#options = options;
  }

  /** The answer on an application's host to a browser without a good token. `target`: path and query that it wanted. */
  leave(input: {
    readonly application: Application;
    readonly hostname: string;
    readonly target: string;
    /** The Cookie field. */
    readonly cookies: string | undefined;
  }): WebResponse {
    const { hostname, target, cookies } = input;
    const { address } = this.#options;
    const { name: application, path } = input.application;
    const checked = returnPath(target);
    // One for all tabs of a browser: twenty of them sign in at once without twenty cookies (case C16).
    const known = findCookie(cookies, nonceCookieName(application)) ?? '';
    const nonce = NONCE.test(known) ? known : newSecret();
    const query = new URLSearchParams({
      application,
      hostname,
      // What cannot be returned to leads to the start of this application, which may not be that of the host.
      return: checked === '/' ? path : checked,
      nonce: secretHash(nonce),
    });
    const url = `${address.authOrigin}${AUTHORIZE_PATH}?${query.toString()}`;
    const cookie = ['set-cookie', setNonceCookie(application, nonce)] as const;
    return { ...redirect(url, [cookie]), status: 302 };
  }

  /** Answers AUTHORIZE_PATH on the auth host. */
  async authorize(request: WebRequest): Promise<WebResponse> {
    const wanted = this.#wanted(request.query);
    if (wanted === undefined) return this.#lost(request);
    const here = `${AUTHORIZE_PATH}?${request.search}`;
    const session = await this.#options.signIn.session(request);
    if (session === undefined) return this.#options.signIn.start(request, here);
    const purpose = this.#purposeIn(request);
    const verdict = this.#judge(request, wanted, session, purpose);
    if (verdict.reason === 'purpose-missing') {
      const isAgain = request.method === 'POST';
      const application = wanted.application.name;
      return purposePage({ identity: session.identity, application, action: here, isAgain });
    }
    if (verdict.outcome === 'sign-in') return this.#options.signIn.start(request, here);
    if (verdict.outcome === 'deny') return this.#denied(request, session, verdict);
    if (verdict.application?.name !== wanted.application.name) return this.#lost(request);
    return this.#giveCode(request, wanted, session, purpose);
  }

  /** Answers CALLBACK_PATH on an application's host. */
  async callback(request: WebRequest): Promise<WebResponse> {
    const { codes, sessions, tokens } = this.#options;
    const code = request.query.get('code') ?? '';
    const kept = NONCE.test(code) ? await codes.take('app-code', code) : undefined;
    const wanted = kept && this.#wantedOf(kept);
    if (wanted === undefined || wanted.hostname !== request.hostname) return this.#lost(request);
    const { application, returnTo } = wanted;
    const nonce = request.cookies.get(nonceCookieName(application.name));
    if (nonce === undefined) return this.#lost(request);
    const url = this.#options.address.origin(request.hostname) + returnTo;
    // Another tab that began at the same moment has set another nonce (case C16): the page is asked for again, with that one.
    if (secretHash(nonce) !== wanted.nonceHash) return redirect(url);
    const session = await sessions.find(String(kept?.['session']));
    // Where the session is over by now, or the policy another one, the application itself says so.
    if (session === undefined) return redirect(url);
    const purpose = typeof kept?.['purpose'] === 'string' ? kept['purpose'] : undefined;
    const verdict = this.#judge(request, wanted, session, purpose);
    const isSame = verdict.application?.name === application.name;
    if (verdict.outcome !== 'allow' || verdict.by !== 'user' || !isSame) return redirect(url);
    const token = await tokens.mint({
      session,
      application: application.name,
      expiresAt: verdict.endsAt,
      ...(purpose === undefined ? {} : { purpose }),
    });
    this.#options.onIssued(request, verdict, session, purpose);
    return redirect(url, [['set-cookie', setAppCookie(application.name, token)]]);
  }

  #judge(
    request: WebRequest,
    { hostname, returnTo }: Wanted,
    session: Session,
    purpose: string | undefined,
  ): Verdict {
    const { clientCertificate, address } = request;
    const [path = '/'] = returnTo.split('?', 1);
    return this.#options.gate.judge({
      hostname,
      path,
      address,
      principal: { session, clientCertificate },
      purpose,
    });
  }

  async #giveCode(
    request: WebRequest,
    { application, hostname, returnTo, nonceHash }: Wanted,
    session: Session,
    purpose: string | undefined,
  ): Promise<WebResponse> {
    const { codes, clock, address } = this.#options;
    const code = newSecret();
    const value = {
      application: application.name,
      hostname,
      return: returnTo,
      nonce: nonceHash,
      session: session.id,
      ...(purpose === undefined ? {} : { purpose }),
    };
    await codes.put('app-code', code, value, clock.wall() + LIMITS.appCodeMs);
    const url = `${address.origin(hostname)}${CALLBACK_PATH}?code=${code}`;
    // Browsers hold redirects after a form to the origins that the form may go to.
    return request.method === 'POST' ? continuePage('Thank you', url) : redirect(url);
  }

  #wanted(query: URLSearchParams): Wanted | undefined {
    return this.#wantedOf(Object.fromEntries(query));
  }

  #wantedOf(fields: Readonly<Record<string, unknown>>): Wanted | undefined {
    const { application: name, nonce } = fields;
    const hostname = normaliseHostname(String(fields['hostname']));
    const { applications } = this.#options.gate.rules;
    const application = applications.find((one) => one.name === name);
    if (application === undefined || !matchesHostname(application.hostname, hostname)) {
      return undefined;
    }
    if (typeof nonce !== 'string' || !HASH.test(nonce)) return undefined;
    return {
      application,
      hostname,
      returnTo: returnPath(String(fields['return'])),
      nonceHash: nonce,
    };
  }

  /** What somebody wrote on our page; undefined for what came from elsewhere, and for nothing. */
  #purposeIn(request: WebRequest): string | undefined {
    const form = formOf(request);
    if (form === undefined || !isSameOrigin(request, this.#options.address.authOrigin)) {
      return undefined;
    }
    const text = (form.get('purpose') ?? '').trim().slice(0, LIMITS.purposeChars);
    return text === '' ? undefined : text;
  }

  #denied(request: WebRequest, session: Session, verdict: Verdict): WebResponse {
    this.#options.onDenied(request, verdict);
    return deniedPage({
      identity: session.identity,
      requestId: request.requestId,
      switchUrl: '/.postern/logout',
    });
  }

  #lost({ requestId }: WebRequest): WebResponse {
    return problemPage({
      status: 400,
      title: 'Sign-in failed',
      text: 'This sign-in has expired, was used before, or began in another browser. Open the page again.',
      code: 'ACCESS_SIGN_IN_FAILED',
      requestId,
      action: html`<a class="button plain" href="/">Try again</a>`,
    });
  }
}
