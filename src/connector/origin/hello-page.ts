/**
 * What `hello_world` answers: which tunnel and replica a request reached, and what it looked like on arrival.
 *
 * Everything shown comes from outside and is escaped. The values of headers that prove who somebody is are not shown:
 * a script on the page's own site could read them here, though the browser hides them from it. Pure.
 */
import { createHash } from 'node:crypto';
import { escapeHtml } from '../../core/escape-html.ts';

/** Who answers. Shown to whoever may reach the page. */
export interface HelloIdentity {
  readonly tunnel: string;
  readonly replica: string;
}

export interface HelloRequest {
  readonly method: string;
  readonly url: string;
  /** `HTTP/1.1`. */
  readonly version: string;
  /** In the order of arrival, repeated ones too. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--back:#f5f7f9;--card:#fff;--mark:#0b7a5c}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#98a3b3;--line:#2c3542;--back:#12171e;--card:#1a212a;--mark:#4fd1a5}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:44rem;margin:0 auto;padding:clamp(1.5rem,6vw,4rem) 1rem}
h1{margin:0;font-size:clamp(1.6rem,5vw,2.2rem);letter-spacing:-.02em;text-wrap:balance}
h1 span{color:var(--mark)}
h2{margin:2rem 0 .5rem;font-size:1rem}
p{margin:.5rem 0 0;color:var(--soft)}
table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
th,td{padding:.5rem .75rem;text-align:left;vertical-align:top;border-top:1px solid var(--line);overflow-wrap:anywhere}
tr:first-child>*{border-top:0}
th{width:12rem;font-weight:500;color:var(--soft)}
td{font-family:ui-monospace,monospace;font-size:.9rem}
@media (max-width:30rem){th,td{display:block;width:auto}td{border-top:0;padding-top:0}}
`;

/** The page's Content-Security-Policy: its own style, nothing else. */
export const HELLO_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const SECRET_HEADER = /cookie|authorization|secret|token|assertion|api-?key|password/i;

/** The page. */
export function renderHelloPage(identity: HelloIdentity, request: HelloRequest): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Hello from ${escapeHtml(identity.tunnel)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>It works. Hello from <span>${escapeHtml(identity.tunnel)}</span></h1>
<p>This page was made by the connector itself. Replace <code>hello_world</code> with the address of your service to show that instead.</p>
<h2>Who answered</h2>
${table([
  ['Tunnel', identity.tunnel],
  ['Replica', identity.replica],
])}
<h2>Request</h2>
${table([['Request line', `${request.method} ${request.url} ${request.version}`]])}
<h2>Headers as they arrived</h2>
${table(shown(request.headers))}
</main>
</body>
</html>
`;
}

/** The same for programs, as JSON text. */
export function renderHelloJson(identity: HelloIdentity, request: HelloRequest): string {
  return `${JSON.stringify({ ...identity, ...request, headers: shown(request.headers) }, undefined, 2)}\n`;
}

function shown(headers: HelloRequest['headers']): HelloRequest['headers'] {
  return headers.map(([name, value]) => [
    name,
    SECRET_HEADER.test(name) ? `hidden, ${value.length} characters` : value,
  ]);
}

function table(rows: HelloRequest['headers']): string {
  const body = rows.map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table>${body.join('\n')}</table>`;
}
