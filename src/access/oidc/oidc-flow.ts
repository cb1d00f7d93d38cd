/**
 * Signing in with an OpenID provider: authorization code with PKCE, nonce and state, each time. docs/access.md "Signing in".
 *
 * openid-client checks most of what comes back; what it leaves to its user is done here: ID token signatures are checked, `iat` too, the
 * state belongs to one browser and one provider, and the address of the callback comes from the configuration (cases O1–O27).
 * Tokens stay in the session's provider state; nothing of them reaches a page, a log or an error.
 */
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  calculatePKCECodeChallenge,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  refreshTokenGrant,
  type Configuration,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
} from 'openid-client';
import type { OidcProvider } from '../../config/access/identity-provider.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, hasCode, messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Identity } from '../identity.ts';
import { redirect } from '../pages/redirect.ts';
import type { LoginFailure } from '../sign-in/login-failure.ts';
import type {
  FlowHost,
  ProviderFlow,
  RefreshedLogin,
  StartedLogin,
} from '../sign-in/provider-flow.ts';
import { formOf } from '../sign-in/same-origin.ts';
import type {
  OnceRows,
  OutsideAddress,
  ProviderState,
  Session,
  SessionKeeper,
  WriteAudit,
} from '../sign-in/sign-in-ports.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import { readLogoutToken, type LogoutToken } from './logout-token.ts';
import { CLOCK_TOLERANCE_SECONDS, OidcConnection } from './oidc-connection.ts';
import { oidcIdentity } from './oidc-identity.ts';

export interface OidcFlowOptions {
  readonly provider: OidcProvider;
  readonly address: OutsideAddress;
  readonly sessions: Pick<SessionKeeper, 'revokeWhere'>;
  readonly rows: Pick<OnceRows, 'claim'>;
  readonly audit: WriteAudit;
  readonly log: Log;
  readonly clock: Clock;
}

type Tokens = TokenEndpointResponse & TokenEndpointResponseHelpers;

export class OidcFlow implements ProviderFlow {
  readonly type = 'oidc';
  readonly id: string;
  readonly label: string;
  readonly refreshIntervalMs: number;
  readonly #options: OidcFlowOptions;
  readonly #connection: OidcConnection;

  constructor(options: OidcFlowOptions) {
    const { id, name, refreshIntervalMs } = options.provider;
    this.id = id;
    this.label = name;
    this.refreshIntervalMs = refreshIntervalMs;
    this.#options = options;
    this.#connection = new OidcConnection(options.provider, options.clock);
  }

  async start({ ticket, request }: StartedLogin, host: FlowHost): Promise<WebResponse> {
    let configuration: Configuration;
    try {
      configuration = await this.#connection.configuration();
    } catch (error) {
      return host.failed(request, 'provider-down', messageOf(error));
    }
    const nonce = randomNonce();
    const verifier = randomPKCECodeVerifier();
    const state = { nonce, verifier };
    const { reference, setCookie } = await host.begin(request, { ticket, state });
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: this.#redirectUri,
      scope: this.#options.provider.scopes.join(' '),
      state: reference,
      nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(request.query.get('account') === 'choose' && promptOf(configuration)),
    });
    return redirect(url.href, [['set-cookie', setCookie]]);
  }

  async handle(request: WebRequest, rest: string, host: FlowHost): Promise<WebResponse> {
    if (rest === 'callback' && request.method === 'GET') return this.#callback(request, host);
    if (rest === 'back-channel-logout') return this.#backChannelLogout(request, host);
    return host.failed(request, 'form', 'an address or method that the flow does not have');
  }

  async #callback(request: WebRequest, host: FlowHost): Promise<WebResponse> {
    const states = request.query.getAll('state');
    if (request.search.length > LIMITS.callbackChars) {
      return host.failed(request, 'invalid-response', 'the answer is too long');
    }
    const [reference = ''] = states;
    const open = states.length === 1 ? await host.finish(request, reference) : undefined;
    if (open === undefined) {
      return host.failed(request, 'state', 'no such sign-in of this browser at this provider');
    }
    try {
      const login = await this.#redeem(request, reference, open.state);
      return await host.signedIn(request, open.ticket, login);
    } catch (error) {
      const { reason, detail } = describeFailure(error);
      return host.failed(request, reason, detail);
    }
  }

  async #redeem(
    request: WebRequest,
    reference: string,
    { nonce, verifier }: ProviderState,
  ): Promise<RefreshedLogin> {
    if (typeof nonce !== 'string' || typeof verifier !== 'string') {
      throw refused('the sign-in has lost its state');
    }
    const configuration = await this.#connection.configuration();
    // From the configuration and never from the request: the library sends it as redirect_uri (case O25).
    const currentUrl = new URL(this.#redirectUri);
    currentUrl.search = request.search;
    const tokens = await authorizationCodeGrant(configuration, currentUrl, {
      expectedState: reference,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const claims = this.#checkedClaims(tokens);
    const identity = await this.#identity(configuration, tokens, claims);
    return { identity, provider: providerState(tokens, { sid: claims['sid'] }) };
  }

  /** The library looks neither at an `iat` in the future (case O20) nor at `azp` beside a single audience (O13). */
  #checkedClaims(tokens: Tokens): Readonly<Record<string, unknown>> {
    const claims = tokens.claims();
    if (claims === undefined) throw refused('there is no ID token');
    const { provider, clock } = this.#options;
    const latest = clock.wall() / 1000 + CLOCK_TOLERANCE_SECONDS;
    if (claims.iat > latest) throw refused('the ID token is from the future');
    const { azp } = claims;
    if (azp !== undefined && azp !== provider.clientId) {
      throw refused('the ID token was issued to another client');
    }
    return { ...claims };
  }

  async #identity(
    configuration: Configuration,
    tokens: Tokens,
    claims: Readonly<Record<string, unknown>>,
  ): Promise<Identity> {
    const { provider } = this.#options;
    const hasUserInfo = configuration.serverMetadata().userinfo_endpoint !== undefined;
    const userInfo = hasUserInfo
      ? await fetchUserInfo(configuration, tokens.access_token, String(claims['sub']))
      : {};
    const identity = oidcIdentity(provider, claims, userInfo);
    if (identity !== undefined) return identity;
    const limit = LIMITS.identityBytes;
    throw new IdentityFault(`the claims make no identity, or one of more than ${limit} bytes`);
  }

  async refresh(session: Session): Promise<RefreshedLogin | 'ended'> {
    const { refreshToken, idToken } = session.provider;
    const { identity } = session;
    // Providers give one only for scope offline_access, or not at all; claims then last as long as the session.
    if (typeof refreshToken !== 'string') return { identity, provider: session.provider };
    const configuration = await this.#connection.configuration();
    try {
      const tokens = await refreshTokenGrant(configuration, refreshToken);
      const fresh = tokens.id_token === undefined ? undefined : this.#checkedClaims(tokens);
      // Somebody else under the same session: the provider is confused or worse (case O21).
      if (fresh !== undefined && fresh['sub'] !== identity.subject) return 'ended';
      const claims = fresh ?? { sub: identity.subject, amr: identity.methods };
      const hasNews =
        fresh !== undefined || configuration.serverMetadata().userinfo_endpoint !== undefined;
      const provider = providerState(tokens, { ...session.provider, refreshToken, idToken });
      if (!hasNews) return { identity, provider };
      return { identity: await this.#identity(configuration, tokens, claims), provider };
    } catch (error) {
      if (isEnd(error)) return 'ended';
      throw error;
    }
  }

  async logout({ provider }: Session): Promise<WebResponse | undefined> {
    const configuration = await this.#connection.configuration();
    if (configuration.serverMetadata().end_session_endpoint === undefined) return undefined;
    const { authHost } = this.#options.address;
    const { idToken } = provider;
    const url = buildEndSessionUrl(configuration, {
      post_logout_redirect_uri: `${this.#options.address.origin(authHost)}/.postern/signed-out`,
      ...(typeof idToken === 'string' && { id_token_hint: idToken }),
    });
    return redirect(url.href);
  }

  async #backChannelLogout(request: WebRequest, host: FlowHost): Promise<WebResponse> {
    const token = formOf(request)?.get('logout_token') ?? '';
    const { provider, clock, rows, log } = this.#options;
    try {
      if (token.length > LIMITS.logoutTokenChars) throw refused('the logout token is too long');
      const configuration = await this.#connection.configuration();
      const logout = await readLogoutToken(token, {
        keys: createLocalJWKSet(await this.#keys(configuration)),
        issuer: configuration.serverMetadata().issuer,
        clientId: provider.clientId,
        now: clock.wall(),
      });
      const isFirst = await rows.claim('logout-token', `${this.id} ${logout.id}`, logout.endsAt);
      if (!isFirst) throw refused('the logout token was used before');
      await this.#endSessions(request, logout);
      return emptyAnswer(200);
    } catch (err) {
      host.charge(request);
      const fields = { [FIELD.request]: request.requestId, [FIELD.client]: request.address };
      log.warn({ ...fields, err }, 'a back-channel logout was refused');
      return emptyAnswer(hasCode(err, 'ACCESS_PROVIDER_DOWN') ? 503 : 400);
    }
  }

  async #endSessions(request: WebRequest, { subject, sid }: LogoutToken): Promise<void> {
    const { sessions, audit } = this.#options;
    const because = 'signed out at the identity provider';
    const count = await sessions.revokeWhere(({ identity, provider }) => {
      if (identity.provider !== this.id) return false;
      if (subject !== undefined && identity.subject !== subject) return false;
      // A session of whose sid nothing is known ends with its subject.
      return sid === undefined || provider['sid'] === sid || provider['sid'] === undefined;
    }, because);
    await audit({
      type: 'logout',
      ...(subject !== undefined && { actor: subject }),
      detail: {
        provider: this.id,
        scope: 'back-channel',
        sessions: count,
        address: request.address,
        requestId: request.requestId,
      },
    });
  }

  async #keys(configuration: Configuration): Promise<JSONWebKeySet> {
    const url = configuration.serverMetadata().jwks_uri;
    if (url === undefined) throw refused('the provider publishes no keys');
    const response = await this.#connection.fetch(url, {
      method: 'GET',
      headers: { accept: 'application/json' },
      body: undefined,
      redirect: 'manual',
    });
    if (response.ok) return (await response.json()) as JSONWebKeySet;
    const message = `Cannot get the keys of the provider: it answered ${response.status}`;
    throw new PosternError('ACCESS_PROVIDER_DOWN', message);
  }

  get #redirectUri(): string {
    const { address } = this.#options;
    return `${address.origin(address.authHost)}/.postern/oidc/${this.id}/callback`;
  }
}

/**
 * Has the provider ask for the account, for a user who comes from the start page and may have signed out to be somebody else. A
 * provider that can be signed out of has forgotten them anyway; others would sign the same account in without a word.
 */
function promptOf(configuration: Configuration): { prompt?: string } {
  const { prompt_values_supported: known, end_session_endpoint: end } =
    configuration.serverMetadata();
  if (Array.isArray(known) && known.includes('select_account')) return { prompt: 'select_account' };
  return end === undefined ? { prompt: 'login' } : {};
}

/** Claims that make no identity. */
class IdentityFault extends Error {}

function refused(why: string): PosternError {
  return new PosternError('ACCESS_SIGN_IN_FAILED', `Cannot accept the provider's answer: ${why}`);
}

function providerState(tokens: Tokens, before: ProviderState): ProviderState {
  return {
    ...(before['sid'] !== undefined && { sid: before['sid'] }),
    idToken: tokens.id_token ?? before['idToken'],
    // Providers that rotate refresh tokens send a new one each time; others none.
    ...((tokens.refresh_token ?? before['refreshToken']) !== undefined && {
      refreshToken: tokens.refresh_token ?? before['refreshToken'],
    }),
  };
}

/** Whether the provider has said that this login is over: anything else may pass. */
function isEnd(error: unknown): boolean {
  if (error instanceof IdentityFault) return true;
  if (typeof error !== 'object' || error === null) return false;
  if ('error' in error && error.error === 'invalid_grant') return true;
  // UserInfo about another subject.
  return codeOf(error) === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED';
}

const DOWN_CODES = new Set(['ACCESS_PROVIDER_DOWN', 'OAUTH_TIMEOUT', 'OAUTH_ABORT']);

/** What the audit log is told. Only codes and messages: causes hold tokens. */
function describeFailure(error: unknown): { reason: LoginFailure; detail: string } {
  if (error instanceof IdentityFault) return { reason: 'identity', detail: error.message };
  const isObject = typeof error === 'object' && error !== null;
  if (isObject && 'error' in error && typeof error.error === 'string') {
    return { reason: 'provider-refused', detail: `the provider answered ${error.error}` };
  }
  const cause = isObject && 'cause' in error ? error.cause : undefined;
  const code = codeOf(error) ?? codeOf(cause);
  const isDown = [codeOf(error), codeOf(cause)].some((one) => DOWN_CODES.has(one ?? ''));
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  const detail = `${messageOf(error)}${why}${code === undefined ? '' : ` (${code})`}`;
  return { reason: isDown ? 'provider-down' : 'invalid-response', detail };
}

function emptyAnswer(status: number): WebResponse {
  return { status, headers: [['cache-control', 'no-store']], body: '' };
}
