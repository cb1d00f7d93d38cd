/**
 * Who sends a request, as far as it proves it: a service token, an app token, a client certificate. Cases C2, C4–C6, C8.
 *
 * A credential that a program chose to send must be good, or the request is refused; a cookie that is not good is no
 * credential, because browsers send what they have. Sessions at the auth host are none here (case C5).
 */
import { appCookieName, findCookie } from '../../access/app-sign-in/app-cookies.ts';
import type { Principal } from '../../access/gate.ts';
import type { ServiceTokens } from '../../access/service-tokens.ts';
import type { Sessions } from '../../access/sessions/sessions.ts';
import type { Session } from '../../access/sign-in/sign-in-ports.ts';
import { AppTokens, type AppTokenClaims } from '../../access/tokens/app-tokens.ts';
import type { Application } from '../../config/access/application.ts';
import { clientCertificateOf } from '../http/user/client-certificate.ts';
import type { UserRequest } from '../http/user/user-message.ts';

/** What a request proved. */
export interface KnownRequester {
  readonly principal: Principal;
  readonly purpose?: string | undefined;
  /** A program sent a credential of its own choice: it is never led to a sign-in page. */
  readonly isProgram: boolean;
  /** It was in the Authorization field. */
  readonly ownsAuthorization: boolean;
}

/** What a program sent is worth nothing. */
export const BAD_CREDENTIAL = 'bad-credential';

type Result = KnownRequester | typeof BAD_CREDENTIAL;

export interface PrincipalReaderOptions {
  readonly sessions: Pick<Sessions, 'peek' | 'find'>;
  readonly tokens: Pick<AppTokens, 'verify'>;
  readonly serviceTokens: Pick<ServiceTokens, 'verify'>;
}

export class PrincipalReader {
  readonly #options: PrincipalReaderOptions;
  readonly #cookieNames = new WeakMap<Application, string>();

  constructor(options: PrincipalReaderOptions) {
    this.#options = options;
  }

  /** Reads it for an application; undefined where there is none, so that only the certificate matters. */
  read(request: UserRequest, application: Application | undefined): Result | Promise<Result> {
    if (!mayIdentify(request.rawHeaders)) return anonymous(request);
    const { headers } = request;
    const id = headers['postern-service-token-id'];
    const secret = headers['postern-service-token-secret'];
    if (id !== undefined || secret !== undefined) return this.#serviceToken(request, id, secret);
    if (application === undefined) return anonymous(request);
    const own = headers['postern-access-token'];
    if (own !== undefined) {
      const token = typeof own === 'string' ? own : '';
      return this.#appToken(request, application, { token, isProgram: true });
    }
    const bearer = bearerOf(headers.authorization);
    if (bearer !== undefined) {
      const about = { token: bearer, isProgram: true, ownsAuthorization: true };
      return this.#appToken(request, application, about);
    }
    const cookie = findCookie(headers.cookie, this.#cookieName(application));
    if (cookie === undefined) return anonymous(request);
    return this.#appToken(request, application, { token: cookie, isProgram: false });
  }

  #serviceToken(request: UserRequest, id: unknown, secret: unknown): Result {
    const isWhole = typeof id === 'string' && typeof secret === 'string';
    const serviceToken = isWhole ? this.#options.serviceTokens.verify(id, secret) : undefined;
    if (serviceToken === undefined) return BAD_CREDENTIAL;
    const clientCertificate = clientCertificateOf(request.socket);
    const principal = { serviceToken, clientCertificate };
    return { principal, isProgram: true, ownsAuthorization: false };
  }

  #appToken(
    request: UserRequest,
    { name }: Application,
    about: TokenUse,
  ): Result | Promise<Result> {
    const claims = this.#options.tokens.verify(about.token, name);
    if (claims instanceof Promise) {
      return claims.then(async (known) => this.#withSession(request, known, about));
    }
    return this.#withSession(request, claims, about);
  }

  #withSession(
    request: UserRequest,
    claims: AppTokenClaims | undefined,
    about: TokenUse,
  ): Result | Promise<Result> {
    if (claims === undefined) return nobody(request, about);
    const { sessions } = this.#options;
    const session = sessions.peek(claims.sessionId);
    if (session !== undefined) return somebody(request, session, claims, about);
    return sessions
      .find(claims.sessionId)
      .then((found) =>
        found === undefined ? nobody(request, about) : somebody(request, found, claims, about),
      );
  }

  #cookieName(application: Application): string {
    const known = this.#cookieNames.get(application);
    if (known !== undefined) return known;
    const name = appCookieName(application.name);
    this.#cookieNames.set(application, name);
    return name;
  }
}

/** Where nothing could say who asks, Node need not make the object of fields, which takes longer than all the rest. */
const IDENTIFYING = /^(?:cookie|authorization|postern-)/i;

function mayIdentify(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (IDENTIFYING.test(rawHeaders[index] ?? '')) return true;
  }
  return false;
}

interface TokenUse {
  readonly token: string;
  readonly isProgram: boolean;
  readonly ownsAuthorization?: boolean;
}

/** An app token in an Authorization field. Every other one is between the user and the origin. */
function bearerOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined;
  const token = authorization.slice(7).trim();
  return AppTokens.isAppToken(token) ? token : undefined;
}

function somebody(
  request: UserRequest,
  session: Session,
  { purpose }: AppTokenClaims,
  { isProgram, ownsAuthorization = false }: TokenUse,
): Result {
  const clientCertificate = clientCertificateOf(request.socket);
  return { principal: { session, clientCertificate }, purpose, isProgram, ownsAuthorization };
}

function nobody(request: UserRequest, { isProgram }: TokenUse): Result {
  return isProgram ? BAD_CREDENTIAL : anonymous(request);
}

function anonymous(request: UserRequest): KnownRequester {
  const clientCertificate = clientCertificateOf(request.socket);
  const principal = clientCertificate === undefined ? {} : { clientCertificate };
  return { principal, isProgram: false, ownsAuthorization: false };
}
