/** The page for what went wrong. It names the code and the request id, and never the reason, which is in the log. */
import type { ErrorCode } from '../../core/error-codes.ts';
import type { WebResponse } from '../web-message.ts';
import { html, type Html } from './html.ts';
import { page } from './page.ts';

export interface ProblemPageInput {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly code: ErrorCode;
  readonly requestId: string;
  /** What the user can do next. */
  readonly action?: Html;
  readonly headers?: WebResponse['headers'];
}

/** A page that says that something did not work, and what to do. */
export function problemPage(input: ProblemPageInput): WebResponse {
  const { status, title, text, code, requestId, action, headers = [] } = input;
  return page({
    status,
    title,
    headers,
    body: html`<p>${text}</p>
      ${action}
      <dl>
        <dt>Code</dt>
        <dd>${code}</dd>
        <dt>Request id</dt>
        <dd>${requestId}</dd>
      </dl>`,
  });
}
