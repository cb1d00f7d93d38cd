/** What a user sees of a sign-in that failed: whether trying again makes sense, and never the reason. */
import { html } from '../pages/html.ts';
import { problemPage } from '../pages/problem-page.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';
import type { LoginFailure } from './login-failure.ts';

export function failurePage({ requestId }: WebRequest, reason: LoginFailure): WebResponse {
  const again = html`<a class="button" href="/">Try again</a>`;
  if (reason === 'internal') {
    return problemPage({
      status: 500,
      title: 'Gateway error',
      text: 'Something went wrong in the gateway. Its log says what.',
      code: 'HTTP_INTERNAL',
      requestId,
      action: again,
    });
  }
  if (reason === 'provider-down') {
    return problemPage({
      status: 503,
      title: 'Sign-in is not available',
      text: 'The identity provider does not answer properly at the moment. Try again soon.',
      code: 'ACCESS_PROVIDER_DOWN',
      requestId,
      action: again,
      headers: [['retry-after', '10']],
    });
  }
  return problemPage({
    status: 400,
    title: 'Sign-in failed',
    text: 'You could not be signed in. This happens too when a sign-in took long or its page was opened twice.',
    code: 'ACCESS_SIGN_IN_FAILED',
    requestId,
    action: again,
  });
}
