/** Answers of the client's endpoints, and what they read: JSON in both directions, bounded, and kept by nobody. */
import type { ErrorCode } from '../../core/error-codes.ts';
import { LIMITS } from '../../core/limits.ts';
import type { WebRequest, WebResponse } from '../web-message.ts';

/** An answer in JSON. */
export function jsonAnswer(
  status: number,
  body: Readonly<Record<string, unknown>>,
  headers: WebResponse['headers'] = [],
): WebResponse {
  return {
    status,
    headers: [
      ['content-type', 'application/json'],
      ['cache-control', 'no-store'],
      ['x-content-type-options', 'nosniff'],
      ...headers,
    ],
    body: `${JSON.stringify(body)}\n`,
  };
}

/** A refusal: its code, which the client knows, and the request id, by which the log says more. */
export function jsonProblem(
  status: number,
  code: ErrorCode,
  { requestId }: WebRequest,
  headers: WebResponse['headers'] = [],
): WebResponse {
  return jsonAnswer(status, { code, requestId }, headers);
}

/**
 * The text fields of a body in JSON; undefined when it is none. A body that does not call itself JSON is none: other sites
 * cannot make a browser send one that does.
 */
export function jsonFields(request: WebRequest): ReadonlyMap<string, string> | undefined {
  const type = request.header('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) return undefined;
  if (request.body.byteLength > LIMITS.clientBodyBytes) return undefined;
  const value = parse(request.body.toString());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries: [string, unknown][] = Object.entries(value);
  return new Map(entries.flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
