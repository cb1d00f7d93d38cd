/** The forms of local users: name and password, then the one-time code. */
import type { WebResponse } from '../web-message.ts';
import { html, type Html } from './html.ts';
import { page } from './page.ts';

interface FormPageInput {
  readonly action: string;
  /** What went wrong the last time. */
  readonly problem?: string | undefined;
  readonly status?: number;
  readonly headers?: WebResponse['headers'];
}

export interface PasswordPageInput extends FormPageInput {
  readonly label: string;
  readonly ticket: string;
  /** What was typed before. */
  readonly name?: string;
}

/** Asks for name and password. */
export function passwordPage(input: PasswordPageInput): WebResponse {
  const { action, label, ticket, name = '', problem, status = 200, headers = [] } = input;
  const focusName = name === '' ? AUTOFOCUS : undefined;
  const focusPassword = name === '' ? undefined : AUTOFOCUS;
  return page({
    title: 'Sign in',
    status,
    headers,
    body: html`<p class="soft">${label}</p>
      ${problemBox(problem)}
      <form method="post" action="${action}">
        <input type="hidden" name="ticket" value="${ticket}" />
        <label for="name">User name</label>
        <input
          id="name"
          name="name"
          value="${name}"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          maxlength="128"
          required
          ${focusName}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          maxlength="1000"
          required
          ${focusPassword}
        />
        <button type="submit">Sign in</button>
      </form>`,
  });
}

export interface CodePageInput extends FormPageInput {
  readonly reference: string;
}

/** Asks for the code of the second step. */
export function codePage(input: CodePageInput): WebResponse {
  const { action, reference, problem, status = 200, headers = [] } = input;
  return page({
    title: 'One-time code',
    status,
    headers,
    body: html`<p class="soft">Type the six digits that your authenticator app shows.</p>
      ${problemBox(problem)}
      <form method="post" action="${action}">
        <input type="hidden" name="reference" value="${reference}" />
        <label for="code">Code</label>
        <input
          id="code"
          class="code"
          name="code"
          inputmode="numeric"
          autocomplete="one-time-code"
          pattern="[0-9 ]*"
          maxlength="8"
          required
          ${AUTOFOCUS}
        />
        <button type="submit">Go on</button>
      </form>`,
  });
}

const AUTOFOCUS = html`autofocus`;

function problemBox(problem: string | undefined): Html | undefined {
  return problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`;
}
