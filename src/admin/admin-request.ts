/**
 * Requests to the admin API as they travel: `POST /v1/<call>` with `{"actor", "params"}`, answered with the result, or
 * with `{"error": {"code", "message"}}`. docs/decisions/0008.
 *
 * Parameters are text. Unknown ones are refused rather than ignored: a misspelt one would mean something else.
 */
import type { ErrorCode } from '../core/error-codes.ts';
import { codeOf, PosternError } from '../core/error.ts';
import { readError } from '../core/written-error.ts';
import { isId } from '../core/id.ts';
import type { AdminCall, AdminCalls } from './admin-api.ts';

/** What paths of calls begin with. */
export const ADMIN_PATH = '/v1/';

/** Largest body of a request, bytes. test/unit/admin/admin-server.test.ts */
export const MAX_ADMIN_REQUEST_BYTES = 64 * 1024;

/** Longest actor or parameter, characters. */
const MAX_TEXT_CHARS = 1_000;

interface ParamNames {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
}

/** The parameters of each call. */
const PARAMS: Readonly<Record<AdminCall, ParamNames>> = {
  'tunnel.create': { required: ['name'] },
  'tunnel.list': { required: [] },
  'tunnel.info': { required: ['tunnel'] },
  'tunnel.tail': {
    required: ['tunnel'],
    optional: ['status', 'method', 'path', 'hostname', 'user', 'sample'],
  },
  'tunnel.rotate': { required: ['tunnel'] },
  'tunnel.delete': { required: ['tunnel'] },
  'route.add': { required: ['tunnel', 'hostname'] },
  'route.list': { required: [], optional: ['tunnel'] },
  'route.remove': { required: ['hostname'] },
  'ssh.authorities': { required: [] },
  'ssh.rotate': { required: ['after'] },
  'session.list': { required: [] },
  'session.revoke': { required: [], optional: ['id', 'email', 'all'] },
  'service-token.create': { required: ['name'], optional: ['expires'] },
  'service-token.list': { required: [] },
  'service-token.rotate': { required: ['name'], optional: ['overlap'] },
  'service-token.revoke': { required: ['name'] },
  'audit.list': { required: [], optional: ['limit', 'before'] },
  'user.add': { required: ['name', 'password'], optional: ['email', 'groups', 'totp'] },
  'user.list': { required: [] },
  'user.remove': { required: ['name'] },
  'user.passwd': { required: ['name', 'password'], optional: ['totp'] },
  'gateway.status': { required: [] },
  'gateway.drain': { required: [] },
  'gateway.reload': { required: [] },
  'gateway.roll-back': { required: [] },
  'gateway.refresh': { required: [], optional: ['id', 'name', 'reason'] },
};

export interface AdminRequest<C extends AdminCall = AdminCall> {
  readonly call: C;
  readonly actor: string;
  readonly params: AdminCalls[C]['params'];
}

/** Reads a request. Throws ADMIN_BAD_REQUEST for everything that is not exactly one. */
export function parseAdminRequest(path: string, body: string): AdminRequest {
  const call = path.startsWith(ADMIN_PATH) ? path.slice(ADMIN_PATH.length) : '';
  if (!isAdminCall(call)) throw bad(`"${path}" is not a call of this version`);
  const { actor, params } = asRecord('the request', parseJson(body));
  if (!isText(actor)) throw bad('it does not say who asks');
  return { call, actor, params: checkParams(call, asRecord('its parameters', params)) };
}

/** The text of an answer that says what went wrong. */
export function formatAdminError(code: ErrorCode, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

/** Reads an answer: the result, or throws the error that it carries. Throws CLI_FAILED for anything else. */
export function parseAdminAnswer(status: number, body: string): unknown {
  const fail = (cause?: unknown) => {
    const message = `Cannot understand the gateway's answer (status ${status})`;
    return new PosternError('CLI_FAILED', `${message}: it is of another version`, { cause });
  };
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch (cause) {
    throw fail(cause);
  }
  if (status === 200) return answer;
  const error = isRecord(answer) ? answer['error'] : undefined;
  if (!isRecord(error) || typeof error['message'] !== 'string') throw fail();
  throw readError({ code: codeOf(error) ?? '', message: error['message'] });
}

function isAdminCall(call: string): call is AdminCall {
  return Object.hasOwn(PARAMS, call);
}

function checkParams<C extends AdminCall>(
  call: C,
  params: Readonly<Record<string, unknown>>,
): AdminCalls[C]['params'] {
  const { required, optional = [] } = PARAMS[call];
  const known = [...required, ...optional];
  for (const [name, value] of Object.entries(params)) {
    if (!known.includes(name)) throw bad(`${call} has no parameter "${name}"`);
    if (!isText(value)) throw bad(`parameter "${name}" of ${call} is not text, or too long`);
  }
  const missing = required.find((name) => params[name] === undefined);
  if (missing !== undefined) throw bad(`${call} needs parameter "${missing}"`);
  if (call === 'gateway.refresh') checkRevoked(params);
  return params;
}

function checkRevoked({ id, name, reason }: Readonly<Record<string, unknown>>): void {
  if (id === undefined && name === undefined && reason === undefined) return;
  const isRevoked = isId(String(id)) && name !== undefined;
  if (!isRevoked || (reason !== 'rotated' && reason !== 'deleted')) {
    throw bad('gateway.refresh needs id, name and reason, or none of them');
  }
}

function asRecord(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw bad(`${what} must be an object`);
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT_CHARS;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw bad('it is not JSON', cause);
  }
}

function bad(why: string, cause?: unknown): PosternError {
  return new PosternError('ADMIN_BAD_REQUEST', `Cannot answer the admin request: ${why}`, {
    cause,
  });
}
