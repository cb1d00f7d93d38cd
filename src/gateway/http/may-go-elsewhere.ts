/**
 * Whether a request that failed at one replica may be sent to another. RFC 9110 §9.2.2, docs/decisions/0029.
 *
 * A request of which nothing can have reached an origin may go on whatever it asks for. One that was written to an origin whose
 * answer nobody will hear may only where its method says that twice is as good as once, and it has no body. What an origin
 * has answered, or refused to answer in time, is its answer.
 */
import type { ErrorCode } from '../../core/error-codes.ts';

/** How far a request came. */
export interface Attempt {
  readonly method: string;
  readonly isUpgrade: boolean;
  readonly hasBody: boolean;
  /** The user was asked for the body: it cannot be read again. */
  readonly isBodyStarted: boolean;
  /** The head was written to this connection. */
  readonly wasSent: boolean;
  /** It was written to this connection or an earlier one, and may have reached the origin. */
  readonly mayHaveArrived: boolean;
  /** A first byte of the answer came. */
  readonly hasAnswer: boolean;
}

/** Methods that may be sent twice (RFC 9110 §9.2.2), where nothing but the head was sent. */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** The replica is gone, or takes no streams: it may have been the last to know what became of the request. */
const LOST: ReadonlySet<ErrorCode> = new Set([
  'STREAM_LOST',
  'STREAM_REFUSED',
  'STREAM_UNKNOWN',
  'ROUTE_NO_REPLICA',
]);

/** Besides, where the origin could not be reached from there. Who may not go on is told so: nobody else is asked. */
const UNREACHED: ReadonlySet<ErrorCode> = new Set([
  ...LOST,
  'STREAM_LIMIT',
  'STREAM_RESET',
  'ORIGIN_REFUSED',
  'ORIGIN_UNREACHABLE',
  'ORIGIN_DNS',
  'ORIGIN_TIMEOUT',
  'ORIGIN_TLS',
  'ORIGIN_RESET',
  'ORIGIN_NO_RULE',
]);

/** Whether the replica is at fault, rather than the origin behind it. */
export function isReplicaLost(code: ErrorCode): boolean {
  return LOST.has(code);
}

/** Whether a request that failed with `code` may go on at another replica. Pure. */
export function mayGoElsewhere(code: ErrorCode, attempt: Attempt): boolean {
  if (attempt.hasAnswer || attempt.isBodyStarted) return false;
  if (!(attempt.wasSent ? LOST : UNREACHED).has(code)) return false;
  return !attempt.mayHaveArrived || isRepeatable(attempt);
}

function isRepeatable({ method, hasBody, isUpgrade }: Attempt): boolean {
  return IDEMPOTENT.has(method) && !hasBody && !isUpgrade;
}
