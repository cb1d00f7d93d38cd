/** The pages around signing out. */
import type { WebResponse } from '../web-message.ts';
import { html } from './html.ts';
import { page } from './page.ts';

/** Asks first: a link or an image of another site must not sign anybody out (case C13). */
export function logoutPage(who: string, action: string): WebResponse {
  return page({
    title: 'Sign out?',
    body: html`<p>
        You are signed in as <strong>${who}</strong>. Signing out ends your access to every
        application in this browser.
      </p>
      <form method="post" action="${action}">
        <button type="submit">Sign out</button>
      </form>
      <a class="button plain" href="/">Stay signed in</a>`,
  });
}

export function signedOutPage(headers: WebResponse['headers'] = []): WebResponse {
  return page({
    title: 'You are signed out',
    headers,
    body: html`<p>Every application in this browser is closed to you until you sign in again.</p>
      <a class="button" href="/">Sign in</a>`,
  });
}
