/**
 * The cookies of application hosts. Each application has names of its own, and `__Host-` keeps sibling hosts from setting
 * them (case C2): what browsers send under such a name, this host has set.
 */
import { createHash } from 'node:crypto';

/** How the names of all our cookies begin, in lower case. None of them ever reaches an origin. */
const OWN_COOKIES = '__host-postern';

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';
/** How long a browser keeps the nonce of a sign-in, seconds. */
const NONCE_S = 600;

/** Holds the app token. */
export function appCookieName(application: string): string {
  return `__Host-postern_app_${shortHash(application)}`;
}

/** Holds what binds a sign-in to this browser. */
export function nonceCookieName(application: string): string {
  return `__Host-postern_nonce_${shortHash(application)}`;
}

/** Holds what stands for the replica that somebody is to come back to. */
export function replicaCookieName(application: string): string {
  return `__Host-postern_replica_${shortHash(application)}`;
}

/** The Set-Cookie of a replica. It lasts as long as the browser. */
export function setReplicaCookie(application: string, value: string): string {
  return `${replicaCookieName(application)}=${value}; ${ATTRIBUTES}`;
}

/** The Set-Cookie of an app token. It lasts as long as the browser; the token says when it ends. */
export function setAppCookie(application: string, token: string): string {
  return `${appCookieName(application)}=${token}; ${ATTRIBUTES}`;
}

/** The Set-Cookie of a nonce. */
export function setNonceCookie(application: string, nonce: string): string {
  return `${nonceCookieName(application)}=${nonce}; Max-Age=${NONCE_S}; ${ATTRIBUTES}`;
}

/** The value of the first cookie of a name in a Cookie field. Names are compared exactly. */
export function findCookie(field: string | undefined, name: string): string | undefined {
  if (field?.includes(name) !== true) return undefined;
  for (const pair of field.split(';')) {
    const [key, value] = splitPair(pair);
    if (key === name) return value;
  }
  return undefined;
}

/** The cookies of a Cookie field, the first of each name. */
export function readCookies(field: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of field?.split(';') ?? []) {
    const [key, value] = splitPair(pair);
    if (key !== '' && !cookies.has(key)) cookies.set(key, value);
  }
  return cookies;
}

/** A Cookie field without ours, split ones and ones in odd case included (case C3); '' when nothing is left. */
export function withoutOwnCookies(field: string): string {
  if (!/postern/i.test(field)) return field;
  return field
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !isOwnCookie(pair))
    .join('; ');
}

/** Whether a cookie, `name=value` with or without attributes, has a name of ours, or one that a browser could take for one. */
export function isOwnCookie(pair: string): boolean {
  return pair.trimStart().toLowerCase().startsWith(OWN_COOKIES);
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return at === -1 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
}

function shortHash(application: string): string {
  return createHash('sha256').update(application).digest('hex').slice(0, 12);
}
