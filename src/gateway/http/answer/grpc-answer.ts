/**
 * What a gRPC client gets when the gateway answers instead of the origin: HTTP 200 with a status of gRPC's own in a head
 * after which nothing comes ("Trailers-Only" of the gRPC protocol over HTTP/2).
 *
 * Pure. A page with an HTTP status would reach the caller as UNKNOWN. Says the code and the request id, never a reason.
 */
import type { ErrorCode } from '../../../core/error-codes.ts';
import type { Answer } from './answer.ts';
import { errorText } from './error-text.ts';

/** The status codes of gRPC that we answer with. */
const GRPC = {
  UNKNOWN: 2,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

type GrpcStatusName = keyof typeof GRPC;

/** The one that says the same as an HTTP status: gRPC's own mapping, finer where it would say UNKNOWN or hide a limit. */
const BY_STATUS: Readonly<Record<number, GrpcStatusName>> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  405: 'UNIMPLEMENTED',
  408: 'DEADLINE_EXCEEDED',
  413: 'RESOURCE_EXHAUSTED',
  421: 'UNAVAILABLE',
  429: 'RESOURCE_EXHAUSTED',
  431: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const CONTENT_TYPE = /^application\/grpc(?:-web(?:-text)?)?(?=$|[+;\s])/i;

/** The gRPC status of a code, by name. */
export function grpcStatusOf(code: ErrorCode): GrpcStatusName {
  // UNAVAILABLE would say that it helps to try again.
  if (code === 'ORIGIN_BAD_RESPONSE' || code === 'ORIGIN_PROTOCOL') return 'INTERNAL';
  return BY_STATUS[errorText(code).status] ?? 'UNKNOWN';
}

/** The kind of gRPC that a request speaks, as its Content-Type begins; undefined where it speaks none. */
export function grpcKind(contentType: string | undefined): string | undefined {
  return contentType === undefined ? undefined : CONTENT_TYPE.exec(contentType)?.[0].toLowerCase();
}

/** The answer to a request that speaks `kind`. */
export function grpcAnswer(kind: string, code: ErrorCode, requestId: string): Answer {
  const message = `${code}: ${errorText(code).text} (request ${requestId})`;
  const headers = [
    ['Content-Type', kind],
    ['Grpc-Status', String(GRPC[grpcStatusOf(code)])],
    ['Grpc-Message', percentEncoded(message)],
    ['Cache-Control', 'no-store'],
    ['X-Request-Id', requestId],
    ['Content-Length', '0'],
  ].flat();
  return { status: 200, headers, body: '' };
}

/** As gRPC wants its messages: printable ASCII without `%`, and the rest as bytes of UTF-8. */
function percentEncoded(text: string): string {
  return text.replaceAll(/[^ -$&-~]+/g, (odd) =>
    [...Buffer.from(odd)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
