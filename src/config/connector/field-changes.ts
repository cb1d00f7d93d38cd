/**
 * `headers` of an ingress rule: fields that are set or removed on the way to its origin and back.
 *
 * What frames a message or speaks about one connection is not to be changed, and what the gateway says of users is not to be
 * said by anybody else. Read by connectors from their file, and by gateways from the wire.
 */
import { HOP_BY_HOP } from '../../core/hop-by-hop.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

/** Changes to the fields of one head. Names are in lower case. */
export interface FieldChanges {
  /** Names and values: each replaces all fields of its name. */
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

/** What is changed of requests and of responses. */
export interface HeaderChanges {
  readonly request?: FieldChanges | undefined;
  readonly response?: FieldChanges | undefined;
}

/** Fields that hold a message together, with what to write instead. */
const FRAMING: ReadonlyMap<string, string> = new Map([
  ['host', 'write originRequest.httpHostHeader'],
  ...[
    ...HOP_BY_HOP,
    'content-length',
    'expect',
    'sec-websocket-accept',
    'sec-websocket-key',
    'sec-websocket-version',
  ].map((name) => [name, 'it belongs to the connection'] as const),
]);

/** What origins believe because the gateway says it. */
const TOLD = /^(?:postern-|cf-access-|x-forwarded-|x-request-id$|forwarded$)/;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Visible ASCII with single blanks or tabs between, and what browsers send beyond (RFC 9110 §5.5). */
const VALUE = /^(?:[!-~\u0080-\u00ff](?:[\t -~\u0080-\u00ff]*[!-~\u0080-\u00ff])?)?$/;

/** Checks changes, of requests or of responses. Throws CONFIG_INVALID that names the field. */
export function parseChanges(
  kind: 'request' | 'response',
  written: {
    readonly set?: readonly (readonly [string, string])[] | undefined;
    readonly remove?: readonly string[] | undefined;
  },
): FieldChanges {
  const set = (written.set ?? []).map(([name, value]) => {
    const lowerName = parseName(name);
    checkSet(kind, lowerName, name);
    if (VALUE.test(value) && value.length <= LIMITS.setFieldChars)
      return [lowerName, value] as const;
    throw invalid(name, 'has a value that no field may have, or one that is too long');
  });
  const remove = (written.remove ?? []).map(parseName);
  const names = [...set.map(([name]) => name), ...remove];
  if (names.length > LIMITS.changedFields) {
    throw new PosternError('CONFIG_INVALID', `has more than ${LIMITS.changedFields} fields`);
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(twice, 'is there twice');
  return { set, remove };
}

/**
 * Makes the changes: names and values in turn. Fields that are set come last. What a lenient origin could read as a name goes
 * with it: `X_User` with `x-user`.
 */
export function applyChanges({ set, remove }: FieldChanges, fields: readonly string[]): string[] {
  const gone = new Set([...remove, ...set.map(([name]) => name)].map(folded));
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (!gone.has(folded(name.toLowerCase()))) kept.push(name, fields[index + 1] ?? '');
  }
  return [...kept, ...set.flat()];
}

function parseName(name: string): string {
  const lowerName = name.toLowerCase();
  if (!TOKEN.test(lowerName)) throw invalid(name, 'is no name of a field');
  const instead = FRAMING.get(lowerName);
  if (instead !== undefined) throw invalid(name, `cannot be changed; ${instead}`);
  return lowerName;
}

function checkSet(kind: 'request' | 'response', lowerName: string, name: string): void {
  if (kind === 'request' && TOLD.test(folded(lowerName))) {
    throw invalid(name, 'is what the gateway says of a request; it can only be removed');
  }
  if (kind === 'response' && lowerName === 'set-cookie') {
    throw invalid(name, 'would replace all cookies; let the origin set it');
  }
}

/** As CGI, WSGI and PHP read a name. */
function folded(lowerName: string): string {
  return lowerName.replaceAll(/[^a-z0-9-]/g, '-');
}

function invalid(name: string, problem: string): PosternError {
  return new PosternError('CONFIG_INVALID', `"${name.slice(0, 60)}" ${problem}`);
}
