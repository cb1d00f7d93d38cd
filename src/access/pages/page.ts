/**
 * Pages that the gateway shows: plain HTML without scripts, which nothing may frame, store or add to.
 *
 * Forms go to the gateway itself unless a page names another origin. Browsers hold redirects that follow a form to the same list,
 * so a page that leads elsewhere after a form does so with `refreshTo`, which is a visit of its own.
 */
import type { WebResponse } from '../web-message.ts';
import { Html, html } from './html.ts';
import { STYLE, STYLE_SOURCE } from './style.ts';

export interface PageInput {
  /** Text of the tab and of the heading. */
  readonly title: string;
  /** What stands below the heading. */
  readonly body: Html;
  /** Default 200. */
  readonly status?: number;
  /** Shown small at the end, so that a user can tell it. */
  readonly requestId?: string;
  /** More room, for lists. */
  readonly isWide?: boolean;
  /** Origins other than our own that forms of this page go to. */
  readonly formActions?: readonly string[];
  /** Where the browser goes by itself, at once. Absolute, or a path; made by us. */
  readonly refreshTo?: string;
  /** Further headers; names in lower case. */
  readonly headers?: WebResponse['headers'];
}

/** The response with a page. */
export function page(input: PageInput): WebResponse {
  const { status = 200, headers = [], formActions = [] } = input;
  return {
    status,
    headers: [
      ['content-type', 'text/html; charset=utf-8'],
      ['content-security-policy', contentPolicy(formActions)],
      ...PAGE_HEADERS,
      ...headers,
    ],
    body: document(input).text,
  };
}

/** As it is: the hash in the policy is of exactly this text. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);
const WIDE = new Html(' class="wide"');

const PAGE_HEADERS: WebResponse['headers'] = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
  // Not `no-referrer`: browsers would send `Origin: null` with our own forms.
  ['referrer-policy', 'same-origin'],
];

function contentPolicy(formActions: readonly string[]): string {
  const forms = ["'self'", ...formActions].join(' ');
  return `default-src 'none'; style-src ${STYLE_SOURCE}; form-action ${forms}; base-uri 'none'; frame-ancestors 'none'`;
}

function document({ title, body, requestId, isWide, refreshTo }: PageInput): Html {
  const refresh =
    refreshTo === undefined
      ? undefined
      : html`<meta http-equiv="refresh" content="0;url=${refreshTo}" />`;
  const request =
    requestId === undefined ? undefined : html`<p class="soft small">Request id: ${requestId}</p>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<meta name="referrer" content="same-origin">
${refresh}
<title>${title}</title>
${STYLE_ELEMENT}
</head>
<body>
<main${isWide === true ? WIDE : undefined}>
<h1>${title}</h1>
${body}
${request}
</main>
</body>
</html>
`;
}
