/** Answers a request with an error page of ours, and says so in its record. */
import type { PosternError } from '../../core/error.ts';
import { closeAfter, sendPage } from './user/client-response.ts';
import { errorPage } from './error-page.ts';
import { ALLOWED_METHODS } from './request-guard.ts';
import type { RequestRecord } from './request-record.ts';
import type { UserRequest, UserResponse } from './user/user-message.ts';

export interface ErrorAnswer {
  readonly error: PosternError;
  /** Default: the status that belongs to the code. */
  readonly status?: number;
  /** Whether the connection ends with this answer. */
  readonly isLast: boolean;
}

/** Sends the page. `response` must not have begun. */
export function answerError(
  request: UserRequest,
  response: UserResponse,
  record: RequestRecord,
  answer: ErrorAnswer,
): void {
  const { error } = answer;
  record.fail(error.code, error);
  const { accept } = request.headers;
  const { requestId } = record;
  const page = errorPage({
    code: error.code,
    requestId,
    accept,
    ...(answer.status !== undefined && { status: answer.status }),
  });
  record.status = page.status;
  if (answer.isLast) closeAfter(request, response);
  sendPage(response, page, page.status === 405 ? ['Allow', ALLOWED_METHODS] : []);
}
