/** The page on which a user chooses where to sign in. Links, not forms: a form's redirects would be held to our own origin. */
import type { WebResponse } from '../web-message.ts';
import { html } from './html.ts';
import { page } from './page.ts';

export interface Choice {
  readonly label: string;
  readonly url: string;
}

/** `notice`: why the page is shown now, if there is anything to say. */
export function chooserPage(choices: readonly Choice[], notice?: string): WebResponse {
  const buttons = choices.map(
    ({ label, url }) => html`<li><a class="button" href="${url}">${label}</a></li>`,
  );
  const lead = choices.length > 1 ? 'Choose where to sign in.' : 'Sign in to go on.';
  const none = html`<p>No way to sign in is configured. Tell your administrator.</p>`;
  return page({
    title: 'Sign in',
    body: html`${notice === undefined ? undefined : html`<p role="status">${notice}</p>`}
    ${
      choices.length === 0
        ? none
        : html`<p class="soft">${lead}</p>
            <ul class="choices">
              ${buttons}
            </ul>`
    }`,
  });
}
