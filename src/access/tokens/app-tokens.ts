/**
 * Tokens that stand for one person at one application, and the short-lived statements that origins get about them.
 *
 * Both are JWTs (RFC 7519) signed with ES256, told apart by `typ` (RFC 8725 §3.11): what an origin was given is no token
 * that could be sent back to the gateway. The audience is the application, so a token is worth nothing at another one
 * (case C4). A token alone lets nobody in: the session it names must be alive, whenever it is used.
 */
import {
  decodeProtectedHeader,
  jwtVerify,
  SignJWT,
  type JWTPayload,
  type ProtectedHeaderParameters,
} from 'jose';
import type { Clock } from '../../core/clock.ts';
import { newId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { secretHash } from '../../core/secret-hash.ts';
import type { ServiceTokenIdentity } from '../identity.ts';
import type { PublicAddress } from '../public-address.ts';
import type { Session } from '../sign-in/sign-in-ports.ts';
import { TOKEN_ALGORITHM, type SigningKeys } from './signing-keys.ts';

const APP_TOKEN = 'postern-app+jwt';
const ASSERTION = 'postern-assertion+jwt';

/** What a good token says. */
export interface AppTokenClaims {
  readonly application: string;
  readonly sessionId: string;
  /** Ms since 1970. */
  readonly expiresAt: number;
  /** Why the person said they wanted in, where they were asked. */
  readonly purpose?: string;
}

export interface NewAppToken {
  readonly session: Session;
  /** Its name. */
  readonly application: string;
  /** Ms since 1970; LIMITS.appTokenMs from now at most, and never after the session. */
  readonly expiresAt: number;
  readonly purpose?: string;
}

/** About whom an origin is told something. */
export interface AssertionSubject {
  readonly session?: Session | undefined;
  readonly serviceToken?: ServiceTokenIdentity | undefined;
}

export class AppTokens {
  readonly #keys: SigningKeys;
  readonly #address: PublicAddress;
  readonly #clock: Clock;
  /** Claims of tokens that were good, by the hash of the token; the one used last at the end. */
  readonly #verified = new Map<string, AppTokenClaims>();

  constructor(keys: SigningKeys, address: PublicAddress, clock: Clock) {
    this.#keys = keys;
    this.#address = address;
    this.#clock = clock;
  }

  /** Signs a token. */
  async mint({ session, application, expiresAt, purpose }: NewAppToken): Promise<string> {
    const now = this.#clock.wall();
    const end = Math.min(expiresAt, session.expiresAt, now + LIMITS.appTokenMs);
    const { subject, email } = session.identity;
    return this.#sign(APP_TOKEN, {
      sub: subject,
      aud: application,
      exp: Math.floor(end / 1000),
      sid: session.id,
      ...(email === undefined ? {} : { email }),
      ...(purpose === undefined ? {} : { purpose }),
    });
  }

  /** What a token for this application says; undefined for every other text. At once when it was verified before. */
  verify(
    token: string,
    application: string,
  ): AppTokenClaims | undefined | Promise<AppTokenClaims | undefined> {
    if (token.length > LIMITS.appTokenChars) return undefined;
    const hash = secretHash(token);
    const known = this.#verified.get(hash);
    if (known === undefined) return this.#check(token, application, hash);
    if (known.application !== application || known.expiresAt <= this.#clock.wall())
      return undefined;
    this.#verified.delete(hash);
    this.#verified.set(hash, known);
    return known;
  }

  /** Whether a text claims to be one of these tokens. Proves nothing. */
  static isAppToken(text: string): boolean {
    if (!text.startsWith('ey') || text.length > LIMITS.appTokenChars) return false;
    return protectedHeader(text)?.typ === APP_TOKEN;
  }

  /** Signs what an origin is told: who asks, for which application, good for LIMITS.assertionMs. */
  async assertion(
    { session, serviceToken }: AssertionSubject,
    application: string,
  ): Promise<string> {
    const exp = Math.floor((this.#clock.wall() + LIMITS.assertionMs) / 1000);
    if (session === undefined) {
      const { id = '', name = '' } = serviceToken ?? {};
      return this.#sign(ASSERTION, { sub: id, aud: application, exp, service_token: name });
    }
    const { provider, subject, email, name, groups } = session.identity;
    return this.#sign(ASSERTION, {
      sub: subject,
      aud: application,
      exp,
      sid: session.id,
      idp: provider,
      ...(email === undefined ? {} : { email }),
      ...(name === undefined ? {} : { name }),
      groups,
    });
  }

  async #sign(typ: string, claims: JWTPayload): Promise<string> {
    const { kid, key } = await this.#keys.current();
    return new SignJWT({ ...claims, jti: newId() })
      .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ, kid })
      .setIssuer(this.#address.authOrigin)
      .setIssuedAt(Math.floor(this.#clock.wall() / 1000))
      .sign(key);
  }

  async #check(
    token: string,
    application: string,
    hash: string,
  ): Promise<AppTokenClaims | undefined> {
    // Only the key id is taken from the header: neither `jku` nor `jwk` nor another algorithm is looked at (case C6).
    const key = await this.#keys.find(protectedHeader(token)?.kid ?? '');
    if (key === undefined) return undefined;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, key, {
        algorithms: [TOKEN_ALGORITHM],
        typ: APP_TOKEN,
        issuer: this.#address.authOrigin,
        audience: application,
        currentDate: new Date(this.#clock.wall()),
        requiredClaims: ['exp', 'sub', 'sid'],
      }));
    } catch {
      return undefined;
    }
    const { sid, exp = 0, purpose } = payload;
    if (typeof sid !== 'string') return undefined;
    const claims: AppTokenClaims = {
      application,
      sessionId: sid,
      expiresAt: exp * 1000,
      ...(typeof purpose === 'string' ? { purpose } : {}),
    };
    this.#remember(hash, claims);
    return claims;
  }

  #remember(hash: string, claims: AppTokenClaims): void {
    this.#verified.set(hash, claims);
    if (this.#verified.size <= LIMITS.appTokensCached) return;
    const [oldest = ''] = this.#verified.keys();
    this.#verified.delete(oldest);
  }
}

function protectedHeader(token: string): ProtectedHeaderParameters | undefined {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}
