/** The cookie of a browser's session, which only the auth host ever sees. */
import type { WebRequest } from '../web-message.ts';

/** Holds the secret of the session. `__Host-`: no sibling host can set it (case C2). */
const SESSION_COOKIE = '__Host-postern_session';

/** The secret that a request carries, or undefined. */
export function sessionSecret({ cookies }: WebRequest): string | undefined {
  return cookies.get(SESSION_COOKIE);
}

/** The Set-Cookie of a new session. It lasts as long as the browser; the gateway knows when the session ends. */
export function setSessionCookie(secret: string): string {
  return `${SESSION_COOKIE}=${secret}; ${ATTRIBUTES}`;
}

/** The Set-Cookie that takes it away. */
export function clearSessionCookie(): string {
  return `${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`;
}

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';
