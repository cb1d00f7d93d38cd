/**
 * The pages around signing in from the command line.
 *
 * Whoever sends somebody else a link or a code of their own wants that person's access (case L8). So the page names the device,
 * the address and the command, and says what to do about a request that one did not make.
 */
import type { Identity } from '../identity.ts';
import { displayName } from '../pages/display-name.ts';
import { html, type Html } from '../pages/html.ts';
import { page } from '../pages/page.ts';
import type { WebResponse } from '../web-message.ts';
import type { ClientDevice } from './client-device.ts';

export interface ConfirmPageInput {
  readonly identity: Identity;
  readonly device: ClientDevice;
  /** Of the machine that asks. */
  readonly address: string;
  /** The code that was typed, to be compared with the one on the terminal. */
  readonly userCode?: string | undefined;
  readonly action: string;
  /** Hidden fields of the form. */
  readonly fields: Readonly<Record<string, string>>;
  /** Where the form leads in the end, if not to ourselves. */
  readonly formActions?: readonly string[];
}

/** Asks whether the command may sign in. */
export function confirmPage(input: ConfirmPageInput): WebResponse {
  const { identity, device, address, userCode, action, fields, formActions = [] } = input;
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );
  return page({
    title: 'Sign in on the command line?',
    formActions,
    body: html`<p>A command asks for your access to everything that you may use.</p>
      <dl>
        <dt>You are</dt>
        <dd>${displayName(identity)}</dd>
        <dt>Device</dt>
        <dd>${device.device}</dd>
        <dt>Address</dt>
        <dd>${address}</dd>
        <dt>Command</dt>
        <dd>${device.command}</dd>
        ${
          userCode === undefined
            ? undefined
            : html`<dt>Code</dt>
                <dd>${userCode}</dd>`
        }
      </dl>
      <p>
        <strong>Allow it only if you have started it yourself just now.</strong> If somebody sent
        you here, choose "No".
      </p>
      <form method="post" action="${action}">
        ${hidden}
        <button type="submit" name="answer" value="allow">Sign in</button>
        <button type="submit" class="plain" name="answer" value="deny">No</button>
      </form>`,
  });
}

/** Asks for the code that a terminal shows. */
export function codeEntryPage(action: string, problem?: string): WebResponse {
  const notice: Html | undefined =
    problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`;
  return page({
    title: 'Sign in on the command line',
    status: problem === undefined ? 200 : 400,
    body: html`<p>Type the code that your terminal shows. Never type one that somebody sent you.</p>
      ${notice}
      <form method="post" action="${action}">
        <label for="code">Code</label>
        <input
          id="code"
          class="code"
          name="code"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck="false"
          maxlength="16"
          required
        />
        <button type="submit">Go on</button>
      </form>`,
  });
}

/** The end, as far as the browser is concerned. */
export function donePage(isSignedIn: boolean): WebResponse {
  return page({
    title: isSignedIn ? 'You are signed in' : 'Not signed in',
    body: isSignedIn
      ? html`<p>Your terminal goes on by itself. You can close this page.</p>`
      : html`<p>The command was refused. You can close this page.</p>`,
  });
}
