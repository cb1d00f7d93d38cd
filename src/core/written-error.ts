/** Errors on their way from one process of ours to another, which may be of another version: code and message, all that people see of them. */
import { isPosternError, messageOf, PosternError } from './error.ts';

export interface WrittenError {
  readonly code: string;
  readonly message: string;
}

/** Writes down anything that was thrown; what is none of ours is a failure. */
export function writeError(error: unknown): WrittenError {
  return { code: isPosternError(error) ? error.code : 'CLI_FAILED', message: messageOf(error) };
}

/** The error that was written down. Codes of another version are failures like any other. */
export function readError(written: WrittenError): PosternError {
  return new PosternError(isPosternError(written) ? written.code : 'CLI_FAILED', written.message);
}
