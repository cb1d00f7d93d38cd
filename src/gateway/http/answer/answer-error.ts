/** Answers a request with an error of ours, in the form that its client reads, and says so in its record. */
import type { PosternError } from '../../../core/error.ts';
import { closeAfter, sendPage } from '../user/client-response.ts';
import type { Answer } from './answer.ts';
import { grpcAnswer, grpcKind } from './grpc-answer.ts';
import { errorPage } from './error-page.ts';
import { ALLOWED_METHODS } from '../request-guard.ts';
import type { RequestRecord } from '../record/request-record.ts';
import type { UserRequest, UserResponse } from '../user/user-message.ts';

export interface ErrorAnswer {
  readonly error: PosternError;
  /** Default: the status that belongs to the code. */
  readonly status?: number;
  /** Whether the connection ends with this answer. */
  readonly isLast: boolean;
}

/** Sends the answer. `response` must not have begun. */
export function answerError(
  request: UserRequest,
  response: UserResponse,
  record: RequestRecord,
  answer: ErrorAnswer,
): void {
  const { error } = answer;
  record.fail(error.code, error);
  const page = answerTo(request, record, answer);
  record.status = page.status;
  if (answer.isLast) closeAfter(request, response);
  sendPage(response, page, page.status === 405 ? ['Allow', ALLOWED_METHODS] : []);
}

function answerTo(
  { headers }: UserRequest,
  { requestId }: RequestRecord,
  { error, status }: ErrorAnswer,
): Answer {
  const { code } = error;
  const { accept } = headers;
  const grpc = grpcKind(headers['content-type']);
  if (grpc !== undefined) return grpcAnswer(grpc, code, requestId);
  return errorPage({ code, requestId, accept, ...(status !== undefined && { status }) });
}
