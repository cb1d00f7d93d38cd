/**
 * Logout tokens: how a provider says, server to server, that somebody signed out (OpenID Connect Back-Channel Logout 1.0 §2.6).
 *
 * Anybody may send one, so nothing is believed before the signature is checked, and each is good once (case O27).
 */
import { decodeProtectedHeader, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { PosternError } from '../../core/error.ts';
import { CLOCK_TOLERANCE_SECONDS } from './oidc-connection.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Nobody signs out a quarter of an hour late, s. */
const MAX_AGE_SECONDS = 15 * 60;
/** What a provider's key can sign with; a shared secret is not among them (case O15). */
const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** What a token asks for: the end of these sessions. */
export interface LogoutToken {
  readonly id: string;
  readonly subject?: string | undefined;
  readonly sid?: string | undefined;
  /** From when on it would be refused for its age, ms since 1970. */
  readonly endsAt: number;
}

export interface LogoutTokenCheck {
  readonly keys: JWTVerifyGetKey;
  readonly issuer: string;
  readonly clientId: string;
  /** ms since 1970 */
  readonly now: number;
}

/** Reads a token. Rejects with ACCESS_SIGN_IN_FAILED, or with what `keys` rejects with, for everything that is not one. */
export async function readLogoutToken(
  token: string,
  { keys, issuer, clientId, now }: LogoutTokenCheck,
): Promise<LogoutToken> {
  const type = headerType(token);
  // A token that is made for something else, an ID token above all, has no `events`, or another type.
  if (type !== undefined && type !== 'logout+jwt' && type !== 'jwt')
    throw bad(`its type is ${type}`);
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience: clientId,
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    maxTokenAge: MAX_AGE_SECONDS,
    requiredClaims: ['iat', 'jti', 'events'],
    currentDate: new Date(now),
  });
  const { sub, jti, iat = 0 } = payload;
  const { sid, nonce, events } = payload as Readonly<Record<string, unknown>>;
  if (nonce !== undefined) throw bad('it has a nonce, as ID tokens do');
  const event = typeof events === 'object' && events !== null ? Reflect.get(events, EVENT) : null;
  if (typeof event !== 'object' || event === null) throw bad('it is not about a logout');
  if (jti === undefined || jti === '') throw bad('it has no id');
  if (sid !== undefined && typeof sid !== 'string') throw bad('its sid is not text');
  if (sub === undefined && sid === undefined) throw bad('it names neither a subject nor a session');
  const endsAt = (iat + MAX_AGE_SECONDS + CLOCK_TOLERANCE_SECONDS + 1) * 1000;
  return { id: jti, subject: sub, sid, endsAt };
}

function headerType(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).typ?.toLowerCase();
  } catch (cause) {
    throw bad('it is not a signed token', cause);
  }
}

function bad(why: string, cause?: unknown): PosternError {
  const message = `Cannot accept the logout token: ${why}`;
  return new PosternError('ACCESS_SIGN_IN_FAILED', message, { cause });
}
