/**
 * What a user sees when the gateway answers instead of the origin.
 *
 * HTML for browsers, JSON for everything else. Shows the code and the request id, which lead to the log line that knows
 * why; never a message of an error, since messages name addresses and rules. Nothing from a request reaches the page but
 * the request id, which is ours. See docs/errors.md.
 */
import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../../core/error-codes.ts';
import { escapeHtml } from '../../../core/escape-html.ts';
import type { Answer } from './answer.ts';
import { type ErrorText, errorText } from './error-text.ts';
import { pageKind } from './page-kind.ts';

/** What is shown. */
export interface ErrorPageInput {
  readonly code: ErrorCode;
  /** Default: the status that belongs to the code. */
  readonly status?: number;
  readonly requestId: string;
  /** The Accept field of the request. */
  readonly accept?: string | undefined;
}

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

/** Renders the answer to one failed request. */
export function errorPage(input: ErrorPageInput): Answer {
  const text = errorText(input.code);
  const { retryAfter } = text;
  const status = input.status ?? text.status;
  const isHtml = pageKind(input.accept) === 'html';
  const body = isHtml ? html(input, text, status) : json(input, text, status);
  const headers = [
    ...(isHtml ? HTML_HEADERS : ['Content-Type', 'application/json; charset=utf-8']),
    ...COMMON_HEADERS,
    'X-Request-Id',
    input.requestId,
    'Content-Length',
    String(Buffer.byteLength(body)),
  ];
  if (retryAfter !== undefined) headers.push('Retry-After', String(retryAfter));
  return { status, headers, body };
}

function json(input: ErrorPageInput, text: ErrorText, status: number): string {
  const { code, requestId } = input;
  return `${JSON.stringify({ error: { code, status, message: text.text, requestId } })}\n`;
}

function html(input: ErrorPageInput, text: ErrorText, status: number): string {
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
