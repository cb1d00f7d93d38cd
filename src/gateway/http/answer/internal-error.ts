/** What users are told where the gateway itself could not serve them. */
import { PosternError, isPosternError } from '../../../core/error.ts';

/** Codes that they are told; for the others it simply failed. */
const TOLD = /^(?:HTTP_.*|STORE_BUSY|STORE_FAILED)$/;

/** An error that says nothing about the gateway but that it failed, unless it is one of ours already. */
export function internalError(cause: unknown): PosternError {
  if (isPosternError(cause) && TOLD.test(cause.code)) return cause;
  const message = 'Cannot serve the request: the gateway failed';
  return new PosternError('HTTP_INTERNAL', message, { cause });
}
