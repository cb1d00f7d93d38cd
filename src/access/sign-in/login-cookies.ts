/**
 * The cookies that bind login transactions to a browser (cases O3, C16).
 *
 * One cookie serves all sign-ins of a browser: a new transaction takes over the youngest cookie there is. Only tabs that were opened
 * at the same moment, before the browser had any, get one each, so each carries a name of its own; what is beyond
 * LIMITS.loginCookies goes away, the oldest first, and the head of requests stays small.
 */
import { createHash } from 'node:crypto';
import { newSecret } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import type { WebRequest } from '../web-message.ts';

const PREFIX = '__Host-postern_login_';
/** When it was made (s, base 36), `l` or `c` for what it is sent with, and the secret. */
const VALUE = /^([0-9a-z]{1,8})\.([lc])\.([\w-]{32})$/;

interface LoginCookie {
  readonly name: string;
  readonly madeAt: number;
  readonly isCrossSite: boolean;
  readonly secret: string;
}

/** The cookie for a new transaction: its secret's hash for the row, and the header for the browser. `now` in ms. */
export function bindLogin(
  request: WebRequest,
  isCrossSite: boolean,
  now: number,
): { readonly secretHash: string; readonly setCookie: string } {
  const known = loginCookies(request).find((cookie) => cookie.isCrossSite === isCrossSite);
  const secret = known?.secret ?? newSecret(24);
  const name =
    known?.name ?? PREFIX + createHash('sha256').update(secret).digest('hex').slice(0, 8);
  const madeAt = Math.floor(now / 1000).toString(36);
  const value = `${madeAt}.${isCrossSite ? 'c' : 'l'}.${secret}`;
  // SAML answers with a form from the provider's site, and browsers send only `None` with that.
  const sameSite = isCrossSite ? 'None' : 'Lax';
  const life = Math.floor(LIMITS.loginMs / 1000);
  return {
    secretHash: hashOf(secret),
    setCookie: `${name}=${value}; Path=/; Max-Age=${life}; Secure; HttpOnly; SameSite=${sameSite}`,
  };
}

/** Whether the browser of this request holds the secret of a transaction. */
export function holdsLogin(request: WebRequest, secretHash: string): boolean {
  return loginCookies(request).some(({ secret }) => hashOf(secret) === secretHash);
}

/** Headers that take away the cookies beyond the limit, and those that are not ours. */
export function dropSurplusLogins(request: WebRequest): string[] {
  const kept = new Set(
    loginCookies(request)
      .slice(0, LIMITS.loginCookies)
      .map(({ name }) => name),
  );
  return [...request.cookies.keys()]
    .filter((name) => name.startsWith(PREFIX) && !kept.has(name))
    .map((name) => `${name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax`);
}

/** The youngest first. */
function loginCookies({ cookies }: WebRequest): LoginCookie[] {
  const found: LoginCookie[] = [];
  for (const [name, value] of cookies) {
    const match = name.startsWith(PREFIX) ? VALUE.exec(value) : null;
    if (match === null) continue;
    const [, madeAt = '', kind, secret = ''] = match;
    found.push({ name, madeAt: Number.parseInt(madeAt, 36), isCrossSite: kind === 'c', secret });
  }
  return found.toSorted((a, b) => b.madeAt - a.madeAt);
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
