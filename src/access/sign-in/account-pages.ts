/**
 * What somebody who is signed in can do on the auth host: see who they are and where else they are signed in, and sign out.
 *
 * Only forms of our own pages change anything (case C13). Signing out ends the session first, so that no failure of a provider
 * can keep it alive.
 */
import type { ErrorCode } from '../../core/error-codes.ts';
import type { Clock } from '../../core/clock.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { continuePage } from '../pages/continue-page.ts';
import { displayName } from '../pages/display-name.ts';
import { homePage } from '../pages/home-page.ts';
import { logoutPage, signedOutPage } from '../pages/logout-page.ts';
import { problemPage } from '../pages/problem-page.ts';
import { redirect } from '../pages/redirect.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import type { ProviderFlow } from './provider-flow.ts';
import { formOf, isSameOrigin } from './same-origin.ts';
import { clearSessionCookie } from './session-cookie.ts';
import type { OutsideAddress, Session, SessionKeeper, WriteAudit } from './sign-in-ports.ts';

export interface AccountPagesOptions {
  readonly sessions: SessionKeeper;
  readonly address: OutsideAddress;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
  flow(id: string): ProviderFlow | undefined;
}

const LOGOUT = '/.postern/logout';
const REVOKE = '/.postern/sessions/revoke';

export class AccountPages {
  readonly #options: AccountPagesOptions;

  constructor(options: AccountPagesOptions) {
    this.#options = options;
  }

  async home(session: Session): Promise<WebResponse> {
    const own = await this.#sessionsOf(session);
    const { identity, expiresAt } = session;
    return homePage({
      identity,
      provider: this.#options.flow(identity.provider)?.label ?? identity.provider,
      expiresAt,
      sessions: own.map((one) => ({ ...one, isCurrent: one.id === session.id })),
      logoutAction: LOGOUT,
      revokeAction: REVOKE,
    });
  }

  /** GET asks, POST does; a POST that is not from our page asks too. */
  async logout(request: WebRequest, session: Session | undefined): Promise<WebResponse> {
    const clear = ['set-cookie', clearSessionCookie()] as const;
    if (session === undefined) return signedOutPage([clear]);
    if (request.method !== 'POST' || !this.#isOurs(request)) {
      return logoutPage(displayName(session.identity), LOGOUT);
    }
    const isEverywhere = formOf(request)?.get('everywhere') === 'yes';
    await this.#end(request, session, isEverywhere);
    const onward = await this.#providerLogout(session);
    if (onward === undefined) return signedOutPage([clear]);
    const location = onward.headers.find(([name]) => name === 'location')?.[1];
    if (location === undefined) return { ...onward, headers: [clear, ...onward.headers] };
    const others = onward.headers.filter(([name]) => name === 'set-cookie');
    return continuePage('Signing out', location, [clear, ...others]);
  }

  /** Ends another session of the same person. */
  async revoke(request: WebRequest, session: Session | undefined): Promise<WebResponse> {
    const wanted = formOf(request)?.get('session');
    if (session === undefined || !this.#isOurs(request)) {
      const code: ErrorCode = 'ACCESS_DENIED';
      const text = 'This can only be done from your own start page.';
      const { requestId } = request;
      return problemPage({ status: 403, title: 'Not done', text, code, requestId });
    }
    const own = await this.#sessionsOf(session);
    const picked = own.find(({ id }) => id === wanted);
    if (picked !== undefined) {
      await this.#options.sessions.revoke(picked.id, 'signed out elsewhere');
      await this.#audit(request, picked, 'elsewhere');
    }
    return redirect('/');
  }

  #isOurs(request: WebRequest): boolean {
    const { address } = this.#options;
    return isSameOrigin(request, address.origin(address.authHost));
  }

  /** The newest first. */
  async #sessionsOf({ identity }: Session): Promise<Session[]> {
    const all = await this.#options.sessions.list();
    const now = this.#options.clock.wall();
    return all
      .filter((one) => one.expiresAt > now && isSamePerson(one, identity))
      .toSorted((a, b) => b.createdAt - a.createdAt);
  }

  async #end(request: WebRequest, session: Session, isEverywhere: boolean): Promise<void> {
    const { sessions } = this.#options;
    const { identity } = session;
    if (isEverywhere)
      await sessions.revokeWhere((one) => isSamePerson(one, identity), 'signed out');
    else await sessions.revoke(session.id, 'signed out');
    await this.#audit(request, session, isEverywhere ? 'everywhere' : 'here');
  }

  async #audit(request: WebRequest, session: Session, scope: string): Promise<void> {
    const { identity, id } = session;
    const { address, requestId } = request;
    await this.#options.audit({
      type: 'logout',
      actor: displayName(identity),
      detail: { provider: identity.provider, session: id, scope, address, requestId },
    });
  }

  /** The provider's own end of the session. When it cannot be had, ours has ended all the same. */
  async #providerLogout(session: Session): Promise<WebResponse | undefined> {
    try {
      return await this.#options.flow(session.identity.provider)?.logout?.(session);
    } catch (err) {
      this.#options.log.warn(
        { [FIELD.reason]: session.identity.provider, err },
        'the provider was not signed out of',
      );
      return undefined;
    }
  }
}

function isSamePerson({ identity }: Session, { provider, subject }: Session['identity']): boolean {
  return identity.provider === provider && identity.subject === subject;
}
