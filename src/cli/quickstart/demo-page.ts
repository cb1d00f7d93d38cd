/**
 * The demo page of the quickstart: the way that this very request took, drawn. Self-contained: one document, no script,
 * nothing loaded from elsewhere. Everything that comes from the request is escaped.
 */
import { createHash } from 'node:crypto';
import { escapeHtml } from '../../core/escape-html.ts';
import type { DemoJourney, DemoRequest } from './demo-journey.ts';

const STYLE = `
:root{color-scheme:light dark;--ink:#17202b;--soft:#5a6675;--line:#d9dfe6;--back:#f4f6f8;--card:#fff;--mark:#0b7a5b;--tint:#e3f3ee}
@media (prefers-color-scheme:dark){:root{--ink:#e7ebf0;--soft:#9aa6b5;--line:#2d3641;--back:#11161c;--card:#1a2129;--mark:#54d3a9;--tint:#17322a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:64rem;margin:0 auto;padding:clamp(2rem,7vw,5rem) clamp(1rem,4vw,2rem)}
h1{margin:0;font-size:clamp(2rem,6vw,3rem);line-height:1.1;letter-spacing:-.03em;text-wrap:balance}
.lead{max-width:42rem;margin:1rem 0 0;font-size:1.1rem;color:var(--soft)}
h2{margin:3rem 0 .75rem;font-size:1.05rem;letter-spacing:-.01em}
ol{list-style:none;margin:2.5rem 0 0;padding:0;display:grid;grid-template-columns:repeat(4,1fr);gap:2.75rem}
li{position:relative;padding:1.1rem;border:1px solid var(--line);border-radius:12px;background:var(--card)}
li:last-child{border-color:var(--mark);background:var(--tint)}
li b{display:block;font-size:1.05rem}
li code{display:block;margin:.15rem 0 .6rem;color:var(--mark);font-size:.85rem;overflow-wrap:anywhere}
li p{margin:0;font-size:.92rem;color:var(--soft)}
li+li::before{content:"";position:absolute;left:-2.75rem;top:50%;width:2.35rem;border-top:2px solid var(--mark)}
li+li::after{content:"";position:absolute;left:-.95rem;top:50%;width:.55rem;height:.55rem;margin-top:calc(-.275rem + 1px);border:solid var(--mark);border-width:2px 2px 0 0;transform:rotate(45deg)}
pre,table{width:100%;margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;font:.86rem/1.6 ui-monospace,SFMono-Regular,Menlo,monospace}
pre{padding:1rem 1.1rem;overflow-x:auto}
table{border-spacing:0}
th,td{padding:.45rem 1.1rem;text-align:left;vertical-align:top;font-weight:400;overflow-wrap:anywhere;border-top:1px solid var(--line)}
tr:first-child>*{border-top:0}
th{width:15rem;color:var(--soft)}
@media (max-width:52rem){
ol{grid-template-columns:1fr;gap:2rem;max-width:26rem}
li+li::before{left:50%;top:-2rem;width:0;height:1.6rem;border-top:0;border-left:2px solid var(--mark)}
li+li::after{left:50%;top:-.95rem;margin:0 0 0 calc(-.275rem + 1px);transform:rotate(135deg)}
th,td{display:block;width:auto}td{border-top:0;padding-top:0}}
`;

/** The page's Content-Security-Policy: its own style, nothing else. */
export const DEMO_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The page for browsers. */
export function renderDemoPage(journey: DemoJourney, request: DemoRequest): string {
  const { gateway, replica, origin, commands } = journey;
  const hops = [
    hop('You', request.client, 'asked for this page over HTTPS.'),
    hop('Gateway', gateway, 'took your request, found the route and asked the policy.'),
    hop(
      'Connector',
      replica.slice(0, 8),
      'had dialled out to the gateway. Nothing can connect to it.',
    ),
    hop('Origin', origin, 'made this page. It listens for this machine only.'),
  ];
  const rows = request.headers.map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Postern works</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>It works.</h1>
<p class="lead">This page comes from a server that accepts no connection from outside. This is the way your request took to it, and the page took back.</p>
<ol>
${hops.join('\n')}
</ol>
<h2>Look around</h2>
<pre>${commands.map(escapeHtml).join('\n')}</pre>
<h2>Your request, as it arrived</h2>
<table>
<tr><th scope="row">request</th><td>${escapeHtml(`${request.method} ${request.url}`)}</td></tr>
${rows.join('\n')}
</table>
</main>
</body>
</html>
`;
}

/** The same for terminals. */
export function renderDemoText(journey: DemoJourney, request: DemoRequest): string {
  return `It works.

  you           ${request.client}
    |  HTTPS
  gateway       ${journey.gateway}
    |  a link that the connector dialled
  connector     ${journey.replica.slice(0, 8)}
    |  HTTP
  this page     ${journey.origin}

Request id: ${request.requestId}
`;
}

function hop(title: string, where: string, what: string): string {
  return `<li><b>${escapeHtml(title)}</b><code>${escapeHtml(where)}</code><p>${escapeHtml(what)}</p></li>`;
}
