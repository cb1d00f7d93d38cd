/**
 * The one error class. Callers branch on `code`, never on `instanceof`: two copies of a class may be loaded.
 *
 * Messages follow one form: "Cannot <verb> <object>: <state, and the limit>", no full stop, values in quotes.
 */
import { ERROR_CODES, type ErrorCode } from './error-codes.ts';

export class PosternError extends Error {
  override readonly name = 'PosternError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The `code` of anything that was thrown, ours or Node's; undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether `error` carries this code of ours or of Node's (`ECONNREFUSED`). */
export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

/** The message of anything that was thrown, for a log line or a reason sent to a peer. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    return String(error.message);
  }
  return String(error);
}

/** Whether something thrown is an error of ours: Node's errors carry codes too, but not from our table. */
export function isPosternError(error: unknown): error is PosternError {
  const code = codeOf(error);
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}
