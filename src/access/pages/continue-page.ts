/**
 * The page between one of our forms and another origin. Browsers hold the redirects that follow a form to `form-action`, and where an
 * application redirects is not ours to know, so the way on is a visit of its own.
 */
import type { WebResponse } from '../web-message.ts';
import { html } from './html.ts';
import { page } from './page.ts';

export function continuePage(
  title: string,
  url: string,
  headers: WebResponse['headers'] = [],
): WebResponse {
  return page({
    title,
    refreshTo: url,
    headers,
    body: html`<p class="soft">You are being taken there.</p>
      <a class="button" href="${url}">Go on</a>`,
  });
}
