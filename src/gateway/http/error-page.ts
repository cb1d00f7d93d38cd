/**
 * What a user sees when the gateway answers instead of the origin.
 *
 * HTML for browsers, JSON for everything else. Shows the code and the request id, which lead to the log line that knows
 * why; never a message of an error, since messages name addresses and rules. Nothing from a request reaches the page but
 * the request id, which is ours. See docs/errors.md.
 */
import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../core/error-codes.ts';
import { escapeHtml } from '../../core/escape-html.ts';

/** What is shown. */
export interface ErrorPageInput {
  readonly code: ErrorCode;
  /** Default: the status that belongs to the code. */
  readonly status?: number;
  readonly requestId: string;
  /** The Accept field of the request. */
  readonly accept?: string | undefined;
}

/** A response without its framing. */
export interface ErrorPage {
  readonly status: number;
  /** Names and values in turn, Content-Length among them. */
  readonly headers: string[];
  readonly body: string;
}

interface Text {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

const BUSY: Text = {
  status: 503,
  title: 'Too busy',
  text: 'Too many requests are open. Try again soon.',
};

const TEXTS: Partial<Record<ErrorCode, Text>> = {
  ROUTE_NOT_FOUND: {
    status: 404,
    title: 'Nothing here',
    text: 'No service is published under this name. Check the address for typing errors.',
  },
  ROUTE_NO_RULE: {
    status: 404,
    title: 'Nothing here',
    text: 'The service behind this name does not serve this address.',
  },
  ROUTE_NO_REPLICA: {
    status: 503,
    title: 'Service is offline',
    text: 'The machine that runs this service is not connected at the moment. Try again soon.',
  },
  ACCESS_REVOKED: {
    status: 401,
    title: 'Signed out',
    text: 'You are no longer signed in. Open the page again to sign in.',
  },
  ACCESS_DENIED: {
    status: 403,
    title: 'No access',
    text: 'You may not open this page. If you think you should, tell your administrator the request id below.',
  },
  ACCESS_PURPOSE: {
    status: 403,
    title: 'Say why',
    text: 'This service wants to be told why it is used.',
  },
  ACCESS_SIGN_IN: {
    status: 401,
    title: 'Sign in first',
    text: 'This page is only for people who have signed in.',
  },
  ACCESS_SIGN_IN_FAILED: {
    status: 400,
    title: 'Sign-in failed',
    text: 'You could not be signed in. Try again.',
  },
  ACCESS_PROVIDER_DOWN: {
    status: 503,
    title: 'Sign-in is not available',
    text: 'The identity provider does not answer properly at the moment. Try again soon.',
  },
  ACCESS_TOO_MANY: {
    status: 429,
    title: 'Too many attempts',
    text: 'Too many sign-ins were tried from your network. Wait a minute and try again.',
  },
  ORIGIN_TIMEOUT: {
    status: 504,
    title: 'Service does not answer',
    text: 'The service took too long to answer. Try again soon.',
  },
  ORIGIN_REFUSED: {
    status: 502,
    title: 'Service is not running',
    text: 'The machine is connected, but the service on it refuses connections.',
  },
  ORIGIN_TLS: {
    status: 502,
    title: 'Service cannot be trusted',
    text: 'The encrypted connection to the service could not be made.',
  },
  ORIGIN_BAD_RESPONSE: {
    status: 502,
    title: 'Service gave a broken answer',
    text: 'The service answered with something that is not HTTP.',
  },
  ORIGIN_RESET: {
    status: 502,
    title: 'Service hung up',
    text: 'The service closed the connection before it answered.',
  },
  ORIGIN_ACCESS: {
    status: 403,
    title: 'No access',
    text: 'The machine that runs this service checks for itself who may use it, and does not let you in.',
  },
  HTTP_METHOD: {
    status: 405,
    title: 'Method not supported',
    text: 'This kind of request is not supported here.',
  },
  HTTP_MISDIRECTED: {
    status: 421,
    title: 'Wrong connection',
    text: 'This request came over a connection that was opened for another name.',
  },
  HTTP_TIMEOUT: {
    status: 408,
    title: 'Request too slow',
    text: 'The request did not arrive in time.',
  },
  HTTP_TOO_LARGE: {
    status: 431,
    title: 'Request too large',
    text: 'The address, or the cookies sent with it, are too large.',
  },
  HTTP_TOO_MANY: BUSY,
  STREAM_LIMIT: BUSY,
  STREAM_REFUSED: BUSY,
  HTTP_INTERNAL: {
    status: 500,
    title: 'Gateway error',
    text: 'Something went wrong in the gateway. Its log says what.',
  },
};

const BAD_REQUEST: Text = {
  status: 400,
  title: 'Request not understood',
  text: 'The request is malformed or could be read in more than one way.',
};

const BAD_GATEWAY: Text = {
  status: 502,
  title: 'Service cannot be reached',
  text: 'The gateway could not reach the service. Try again soon.',
};

const STYLE = `:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#586274;--line:#dfe3ea}
@media(prefers-color-scheme:dark){:root{--back:#12151b;--card:#1a1f28;--ink:#e8ecf3;--soft:#9aa5b8;--line:#2c3442}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;
background:var(--back);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
main{width:100%;max-width:34rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
.status{margin:0;color:var(--soft);font-variant-numeric:tabular-nums}h1{margin:.25rem 0 .75rem;font-size:1.5rem;line-height:1.25}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1.5rem 0 0;padding-top:1rem;
border-top:1px solid var(--line);font-size:.875rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,monospace}`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

const COMMON_HEADERS = [
  'Cache-Control',
  'no-store',
  'Vary',
  'Accept',
  'X-Content-Type-Options',
  'nosniff',
  'Referrer-Policy',
  'no-referrer',
];

const HTML_HEADERS = [
  'Content-Type',
  'text/html; charset=utf-8',
  'Content-Security-Policy',
  `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
];

/** The HTTP status a code is answered with. */
export function statusOf(code: ErrorCode): number {
  return textOf(code).status;
}

/** Renders the page for one failed request. */
export function errorPage(input: ErrorPageInput): ErrorPage {
  const text = textOf(input.code);
  const status = input.status ?? text.status;
  const isHtml = wantsHtml(input.accept);
  const body = isHtml ? html(input, text, status) : json(input, text, status);
  const headers = [
    ...(isHtml ? HTML_HEADERS : ['Content-Type', 'application/json; charset=utf-8']),
    ...COMMON_HEADERS,
    'X-Request-Id',
    input.requestId,
    'Content-Length',
    String(Buffer.byteLength(body)),
  ];
  if (status === 503) headers.push('Retry-After', '5');
  return { status, headers, body };
}

function textOf(code: ErrorCode): Text {
  const own = TEXTS[code];
  if (own !== undefined) return own;
  return code.startsWith('HTTP_') ? BAD_REQUEST : BAD_GATEWAY;
}

/** Browsers name text/html in Accept; curl and API clients send a wildcard or JSON. */
function wantsHtml(accept: string | undefined): boolean {
  return accept !== undefined && /\b(?:text\/html|application\/xhtml\+xml)\b/i.test(accept);
}

function json(input: ErrorPageInput, text: Text, status: number): string {
  const { code, requestId } = input;
  return `${JSON.stringify({ error: { code, status, message: text.text, requestId } })}\n`;
}

function html(input: ErrorPageInput, text: Text, status: number): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(text.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="status">${status}</p>
<h1>${escapeHtml(text.title)}</h1>
<p>${escapeHtml(text.text)}</p>
<dl>
<dt>Code</dt><dd>${escapeHtml(input.code)}</dd>
<dt>Request id</dt><dd>${escapeHtml(input.requestId)}</dd>
</dl>
</main>
</body>
</html>
`;
}
