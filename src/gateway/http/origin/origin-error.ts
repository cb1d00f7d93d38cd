/**
 * Turns whatever went wrong on the way to an origin into one of our codes.
 *
 * Errors of ours (from OriginTarget.open() or a stream that was reset) keep their code; undici's and Node's are mapped.
 * Branches on `code` only.
 */
import type { ErrorCode } from '../../../core/error-codes.ts';
import { PosternError, codeOf, isPosternError, messageOf } from '../../../core/error.ts';

/** The code of a connection that was gone before the request was written on it, or that it was not looked at on. */
export const STALE_CONNECTION = 'STALE_CONNECTION';

const MAPPED: Readonly<Record<string, ErrorCode>> = {
  [STALE_CONNECTION]: 'ORIGIN_RESET',
  UND_ERR_SOCKET: 'ORIGIN_RESET',
  UND_ERR_INFO: 'ORIGIN_RESET',
  UND_ERR_CLOSED: 'ORIGIN_RESET',
  UND_ERR_DESTROYED: 'ORIGIN_RESET',
  UND_ERR_HEADERS_TIMEOUT: 'ORIGIN_TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'ORIGIN_TIMEOUT',
  UND_ERR_HEADERS_OVERFLOW: 'ORIGIN_BAD_RESPONSE',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'ORIGIN_BAD_RESPONSE',
  UND_ERR_INVALID_ARG: 'HTTP_BAD_REQUEST',
  UND_ERR_NOT_SUPPORTED: 'HTTP_BAD_REQUEST',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'HTTP_BAD_REQUEST',
  ECONNREFUSED: 'ORIGIN_REFUSED',
  ECONNRESET: 'ORIGIN_RESET',
  EPIPE: 'ORIGIN_RESET',
  ERR_STREAM_PREMATURE_CLOSE: 'ORIGIN_RESET',
  ETIMEDOUT: 'ORIGIN_TIMEOUT',
  EHOSTUNREACH: 'ORIGIN_UNREACHABLE',
  ENETUNREACH: 'ORIGIN_UNREACHABLE',
};

/** Messages of undici for answers that are HTTP, but not to what was asked. Their code says only that the socket ended. */
const BAD_ANSWER = /^bad (?:response|upgrade)$/;

/** What a failed request is answered and logged with. */
export function toOriginError(cause: unknown): PosternError {
  if (isPosternError(cause)) return cause;
  const code = codeOf(cause);
  const message = `Cannot get a response from the origin: ${messageOf(cause)}`;
  return new PosternError(mapped(code, cause), message, { cause });
}

function mapped(code: string | undefined, cause: unknown): ErrorCode {
  // Undici leaves the code of its parser's errors empty.
  if (nameOf(cause) === 'HTTPParserError') return 'ORIGIN_BAD_RESPONSE';
  if (code === undefined) return 'ORIGIN_UNREACHABLE';
  if (code === 'UND_ERR_SOCKET' && BAD_ANSWER.test(messageOf(cause))) return 'ORIGIN_BAD_RESPONSE';
  return (Object.hasOwn(MAPPED, code) ? MAPPED[code] : undefined) ?? 'ORIGIN_UNREACHABLE';
}

function nameOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'name' in error ? error.name : undefined;
}

/** Whether an error means that the origin closed the connection, as it may do with an idle one at any moment. */
export function isClosedByOrigin(cause: unknown): boolean {
  return toOriginError(cause).code === 'ORIGIN_RESET' || codeOf(cause) === 'STREAM_RESET';
}
