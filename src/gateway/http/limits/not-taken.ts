/** The error of a response whose user does not take it. */
import { formatDuration } from '../../../core/duration.ts';
import { PosternError } from '../../../core/error.ts';

/** For the log: nobody is left to read an answer. */
export function notTaken(ms: number): PosternError {
  const time = formatDuration(ms);
  return new PosternError(
    'HTTP_ABORTED',
    `Cannot finish the response: the user took nothing of it for ${time}`,
  );
}
