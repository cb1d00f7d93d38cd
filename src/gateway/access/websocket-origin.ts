/**
 * Whether a WebSocket is opened by a page that may: the same-origin policy of browsers does not look at them, so a page of anybody
 * could open one in the name of whoever looks at it (cases P27, P28).
 *
 * Pure. Only what a browser sends by itself, a cookie or a certificate, can be misused like that; a program that shows a token
 * means it. RFC 6455 §10.2.
 */
import type { Application } from '../../config/access/application.ts';

export interface WebSocketAsk {
  /** The Host field as sent. */
  readonly host: string;
  /** The Origin field; undefined where there is none. */
  readonly origin: string | undefined;
  /** Whether the user's connection is TLS that ends here. */
  readonly isTls: boolean;
  /** Who it is was said by a cookie; otherwise by a certificate. */
  readonly hasCookie: boolean;
  readonly application: Pick<Application, 'websocketOrigins'>;
}

/**
 * Says no with a reason for the log. Pages of the same origin may, and those of `websocket-origins`. Without an Origin it is no
 * browser: it may with a certificate, and not with a cookie, which was made for a browser.
 */
export function foreignWebSocket(ask: WebSocketAsk): string | undefined {
  const { origin, host, application } = ask;
  if (origin === undefined) {
    return ask.hasCookie ? 'a WebSocket with a cookie and no Origin field' : undefined;
  }
  const asked = origin.toLowerCase();
  const own = host.toLowerCase();
  if (asked === `https://${own.replace(/:443$/, '')}`) return undefined;
  // A proxy in front ends TLS, or nobody does.
  if (!ask.isTls && asked === `http://${own.replace(/:80$/, '')}`) return undefined;
  if (application.websocketOrigins?.includes(asked) === true) return undefined;
  return 'a WebSocket of a page of another origin';
}
