/**
 * Whether a form came from our own page (case C13, and login with somebody else's password).
 *
 * Browsers say so in Sec-Fetch-Site, older ones in Origin. One that says neither is refused: no browser of the last years is like that.
 */
import type { WebRequest } from '../web-message.ts';

/** `ownOrigin`: of the auth host, from the configuration. */
export function isSameOrigin(request: WebRequest, ownOrigin: string): boolean {
  const origin = request.header('origin');
  if (origin !== undefined && origin !== ownOrigin) return false;
  const site = request.header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin';
  return origin === ownOrigin;
}

/** The fields of a form, or undefined when the request has no form for a body. */
export function formOf(request: WebRequest): URLSearchParams | undefined {
  const type = request.header('content-type') ?? '';
  if (request.method !== 'POST' || !/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    return undefined;
  }
  return new URLSearchParams(request.body.toString());
}
