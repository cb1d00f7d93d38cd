/** Asks why somebody wants in, where the application wants to know. What they write goes into the audit log. */
import { LIMITS } from '../../core/limits.ts';
import type { Identity } from '../identity.ts';
import type { WebResponse } from '../web-message.ts';
import { displayName } from './display-name.ts';
import { html } from './html.ts';
import { page } from './page.ts';

export interface PurposePageInput {
  readonly identity: Identity;
  /** Name of the application. */
  readonly application: string;
  /** Where the form goes, with its query. */
  readonly action: string;
  /** What was written before was not enough. */
  readonly isAgain: boolean;
}

/** 200, with a form. */
export function purposePage(input: PurposePageInput): WebResponse {
  const { identity, application, action, isAgain } = input;
  const problem = isAgain ? html`<p role="alert">Write a few words.</p>` : undefined;
  return page({
    title: 'Why do you need access?',
    body: html`<p>
        ${application} asks everybody for a reason. It is kept with your name,
        ${displayName(identity)}.
      </p>
      ${problem}
      <form method="post" action="${action}">
        <label for="purpose">Reason</label>
        <input
          id="purpose"
          name="purpose"
          type="text"
          required
          autofocus
          maxlength="${String(LIMITS.purposeChars)}"
          autocomplete="off"
        />
        <button type="submit">Continue</button>
      </form>`,
  });
}
