/** Errors about a configuration: one line, whatever was in the file. */
import type { ErrorCode } from '../core/error-codes.ts';
import { PosternError } from '../core/error.ts';

/** An error that reads `<place>: <text>`. Line breaks and control characters are written out: values are input. */
export function configError(
  code: ErrorCode,
  place: string,
  text: string,
  cause?: unknown,
): PosternError {
  return new PosternError(code, oneLine(`${place}: ${text}`), { cause });
}

function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
