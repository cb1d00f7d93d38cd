/**
 * RESET codes: the error codes that travel, with their numbers on the wire. See docs/protocol.md §7.
 * Numbers are never reused. A peer may send one that we do not know yet; it reads as STREAM_RESET.
 */
import type { ErrorCode } from '../core/error-codes.ts';

export const RESET_CODE = {
  STREAM_CANCELLED: 0,
  STREAM_MOVED: 1,
  STREAM_RESET: 2,
  STREAM_UNKNOWN: 3,
  STREAM_STALE_EPOCH: 4,
  STREAM_BAD_POSITION: 5,
  STREAM_LOST: 6,
  STREAM_REFUSED: 7,
  STREAM_LIMIT: 8,
  STREAM_DETACHED: 9,
  ORIGIN_REFUSED: 16,
  ORIGIN_UNREACHABLE: 17,
  ORIGIN_DNS: 18,
  ORIGIN_TIMEOUT: 19,
  ORIGIN_TLS: 20,
  ORIGIN_RESET: 21,
  ORIGIN_FORBIDDEN: 22,
  ORIGIN_NO_RULE: 23,
  ROUTE_NOT_FOUND: 24,
  ROUTE_NO_REPLICA: 25,
  ROUTE_NO_RULE: 26,
  ORIGIN_ACCESS: 27,
  ORIGIN_SOCKS: 28,
  ORIGIN_DESTINATION: 29,
  ACCESS_DENIED: 32,
  ACCESS_REVOKED: 33,
  ACCESS_SIGN_IN: 34,
  ACCESS_PURPOSE: 35,
} as const satisfies Partial<Record<ErrorCode, number>>;

export type ResetCode = keyof typeof RESET_CODE;

const BY_NUMBER = new Map<number, ResetCode>(
  Object.entries(RESET_CODE).map(([name, number]) => [number, name as ResetCode]),
);

/** The name of a code from the wire. */
export function resetCodeOf(number: number): ResetCode {
  return BY_NUMBER.get(number) ?? 'STREAM_RESET';
}

/** Whether an error code may travel in a RESET. */
export function isResetCode(code: string | undefined): code is ResetCode {
  return code !== undefined && Object.hasOwn(RESET_CODE, code);
}
