/** The page of the auth host for somebody who is signed in: who they are, where else they are signed in, and the way out. */
import type { Identity } from '../identity.ts';
import type { WebResponse } from '../web-message.ts';
import { displayName } from './display-name.ts';
import { html, type Html } from './html.ts';
import { page } from './page.ts';

/** A session as its owner sees it. */
interface ShownSession {
  readonly id: string;
  readonly kind: 'browser' | 'client';
  readonly isCurrent: boolean;
  readonly address: string;
  readonly agent: string;
  readonly createdAt: number;
}

export interface HomePageInput {
  readonly identity: Identity;
  /** What the provider is called. */
  readonly provider: string;
  readonly expiresAt: number;
  readonly sessions: readonly ShownSession[];
  readonly logoutAction: string;
  readonly revokeAction: string;
}

export function homePage(input: HomePageInput): WebResponse {
  const { identity, provider, expiresAt, sessions, logoutAction, revokeAction } = input;
  const groups = identity.groups.length === 0 ? undefined : identity.groups.join(', ');
  return page({
    title: 'You are signed in',
    isWide: true,
    body: html`<dl>
        <dt>As</dt>
        <dd>${displayName(identity)}</dd>
        ${row('Name', identity.name === displayName(identity) ? undefined : identity.name)}
        <dt>With</dt>
        <dd>${provider}</dd>
        ${row('Groups', groups)}
        <dt>Until</dt>
        <dd>${time(expiresAt)}</dd>
      </dl>
      <h2>Where you are signed in</h2>
      <ul class="sessions">
        ${sessions.map((session) => sessionItem(session, revokeAction))}
      </ul>
      <form method="post" action="${logoutAction}">
        <button type="submit">Sign out</button>
        <button type="submit" class="plain" name="everywhere" value="yes">
          Sign out on every device
        </button>
      </form>`,
  });
}

function row(name: string, value: string | undefined): Html | undefined {
  return value === undefined
    ? undefined
    : html`<dt>${name}</dt>
        <dd>${value}</dd>`;
}

function sessionItem(
  { id, kind, isCurrent, address, agent, createdAt }: ShownSession,
  action: string,
): Html {
  const what = kind === 'client' ? 'Command line' : browserName(agent);
  const end = html`<form method="post" action="${action}">
    <input type="hidden" name="session" value="${id}" />
    <button type="submit" class="plain" aria-label="Sign out ${what} at ${address}">
      Sign out
    </button>
  </form>`;
  return html`<li>
    <div>
      <p>${what}${isCurrent ? ' (this one)' : ''}</p>
      <p class="soft small">${address}</p>
      <p class="soft small">since ${time(createdAt)}</p>
    </div>
    ${isCurrent ? undefined : end}
  </li>`;
}

/** A browser by the name its users know; the rest of what it says of itself helps nobody. */
function browserName(agent: string): string {
  const names: readonly (readonly [RegExp, string])[] = [
    [/\bEdg\//, 'Edge'],
    [/\bFirefox\//, 'Firefox'],
    [/Chrom(?:e|ium)\//, 'Chrome'],
    [/\bSafari\//, 'Safari'],
  ];
  const name = names.find(([pattern]) => pattern.test(agent))?.[1] ?? 'Browser';
  const system = /\b(Windows|Android|iPhone|iPad|Mac OS X|Linux)\b/.exec(agent)?.[1];
  return system === undefined ? name : `${name} on ${system}`;
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
