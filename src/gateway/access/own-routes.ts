/**
 * The requests that are for the gateway itself: everything on the auth host, and `/.postern/` on every other one. None of
 * them ever reaches an origin, and nothing for operators is among them (case C15).
 */
import {
  AUTHORIZE_PATH,
  CALLBACK_PATH,
  type AppSignIn,
} from '../../access/app-sign-in/app-sign-in.ts';
import { appCookieName } from '../../access/app-sign-in/app-cookies.ts';
import type { ClientSignIn } from '../../access/client-sign-in/client-sign-in.ts';
import { jsonAnswer, jsonProblem } from '../../access/client-sign-in/json-answer.ts';
import type { Proofs } from '../../access/client-sign-in/proofs.ts';
import type { Gate } from '../../access/gate.ts';
import { redirect } from '../../access/pages/redirect.ts';
import type { PublicAddress } from '../../access/public-address.ts';
import type { Sessions } from '../../access/sessions/sessions.ts';
import type { Session } from '../../access/sign-in/sign-in-ports.ts';
import type { SignIn } from '../../access/sign-in/sign-in.ts';
import type { SshCertificates } from '../../access/ssh/ssh-certificates.ts';
import type { AppTokens } from '../../access/tokens/app-tokens.ts';
import type { SigningKeys } from '../../access/tokens/signing-keys.ts';
import type { WebRequest, WebResponse } from '../../access/web-message.ts';
import { matchesHostname } from '../../config/hostname-pattern.ts';

export interface OwnRoutesOptions {
  readonly gate: Gate;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly tokens: AppTokens;
  readonly keys: SigningKeys;
  readonly address: PublicAddress;
  readonly signIn: SignIn;
  readonly appSignIn: AppSignIn;
  readonly clientSignIn: ClientSignIn;
  readonly proofs: Proofs;
  readonly sshCertificates: SshCertificates;
}

/** How long others may keep the JWKS, seconds: far less than a key is published before it signs (case C7). */
const JWKS_MAX_AGE_S = 300;

export class OwnRoutes {
  readonly #options: OwnRoutesOptions;

  constructor(options: OwnRoutesOptions) {
    this.#options = options;
  }

  /** Answers one. May reject with STORE_*. */
  async answer(request: WebRequest): Promise<WebResponse> {
    const { address, proofs } = this.#options;
    if (request.path === '/.postern/proof') return proofs.handle(request);
    return request.hostname === address.authHost ? this.#onAuth(request) : this.#onApp(request);
  }

  async #onAuth(request: WebRequest): Promise<WebResponse> {
    const { signIn, appSignIn, clientSignIn, sshCertificates } = this.#options;
    const { path, method } = request;
    if (path === AUTHORIZE_PATH && (isVisit(request) || method === 'POST')) {
      return appSignIn.authorize(request);
    }
    if (path === '/.postern/jwks.json' && isVisit(request)) return this.#jwks();
    if (path === '/.postern/identity')
      return this.#identity(request, await signIn.session(request));
    if (path.startsWith('/.postern/client/')) return clientSignIn.handle(request);
    if (path.startsWith('/.postern/ssh/')) return sshCertificates.handle(request);
    return signIn.handle(request);
  }

  async #onApp(request: WebRequest): Promise<WebResponse> {
    const { appSignIn, address } = this.#options;
    const { path } = request;
    if (!isVisit(request))
      return jsonProblem(405, 'HTTP_METHOD', request, [['allow', 'GET, HEAD']]);
    if (path === CALLBACK_PATH) return appSignIn.callback(request);
    if (path === '/.postern/identity') {
      return this.#identity(request, await this.#sessionAt(request));
    }
    // Asks there, and ends nothing by itself: a picture on another page may have led here (case C13).
    if (path === '/.postern/logout') return redirect(`${address.authOrigin}/.postern/logout`);
    return jsonProblem(404, 'ROUTE_NOT_FOUND', request);
  }

  async #jwks(): Promise<WebResponse> {
    // Before the first token there is no key.
    await this.#options.keys.current();
    return {
      status: 200,
      headers: [
        ['content-type', 'application/jwk-set+json'],
        ['cache-control', `public, max-age=${JWKS_MAX_AGE_S}`],
        ['access-control-allow-origin', '*'],
        ['x-content-type-options', 'nosniff'],
      ],
      body: JSON.stringify(this.#options.keys.jwks()),
    };
  }

  /** Who one is. No token, and nothing that a provider said in confidence (case C14). */
  #identity(request: WebRequest, session: Session | undefined): WebResponse {
    if (session === undefined) return jsonProblem(401, 'ACCESS_SIGN_IN', request);
    const { provider, subject, email, name, groups, methods } = session.identity;
    const { authenticatedAt, expiresAt } = session;
    const identity = { provider, subject, email, name, groups, methods };
    return jsonAnswer(200, { ...identity, authenticatedAt, expiresAt });
  }

  /** The session behind an app token of any application at this host. */
  async #sessionAt({ hostname, cookies }: WebRequest): Promise<Session | undefined> {
    const { gate, tokens, sessions } = this.#options;
    for (const { hostname: pattern, name } of gate.rules.applications) {
      const token = cookies.get(appCookieName(name));
      if (token === undefined || !matchesHostname(pattern, hostname)) continue;
      // oxlint-disable-next-line no-await-in-loop
      const claims = await tokens.verify(token, name);
      // oxlint-disable-next-line no-await-in-loop
      const session = claims && (await sessions.find(claims.sessionId));
      if (session !== undefined) return session;
    }
    return undefined;
  }
}

function isVisit({ method }: WebRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}
