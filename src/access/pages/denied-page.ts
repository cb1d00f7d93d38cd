/**
 * The page for somebody who is signed in and may not open an application. It says who they are, because the usual reason is a
 * wrong account, and nothing about the rule.
 */
import type { Identity } from '../identity.ts';
import type { WebResponse } from '../web-message.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { displayName } from './display-name.ts';

export interface DeniedPageInput {
  /** Absent for somebody without an identity: a machine, or an anonymous user of an application without sign-in. */
  readonly identity?: Identity | undefined;
  readonly requestId: string;
  /** Where they can sign out and in as somebody else: the logout page on the auth host. */
  readonly switchUrl: string;
}

/** 403 */
export function deniedPage({ identity, requestId, switchUrl }: DeniedPageInput): WebResponse {
  const who =
    identity &&
    html`<dl>
        <dt>Signed in as</dt>
        <dd>${displayName(identity)}</dd>
        <dt>Code</dt>
        <dd>ACCESS_DENIED</dd>
        <dt>Request id</dt>
        <dd>${requestId}</dd>
      </dl>
      <a class="button plain" href="${switchUrl}">Use another account</a>`;
  const nobody = html`<dl>
    <dt>Code</dt>
    <dd>ACCESS_DENIED</dd>
    <dt>Request id</dt>
    <dd>${requestId}</dd>
  </dl>`;
  return page({
    status: 403,
    title: 'No access',
    body: html`<p>
        You may not open this page. If you think you should, tell your administrator the request id
        below.
      </p>
      ${who ?? nobody}`,
  });
}
