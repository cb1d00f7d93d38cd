/**
 * Turns anything that is logged into plain, bounded, secret-free data.
 *
 * Values under a secret's name are replaced whatever they are; all text passes cleanText(). Errors keep code, message
 * and the chain of causes; a stack is kept only where it helps, which is where the error has no code of ours or of the
 * operating system. Must never throw: a log line may be the last thing a process says.
 */
import { ERROR_CODES } from '../core/error-codes.ts';
import { codeOf, messageOf } from '../core/error.ts';
import { REDACTED, cleanText } from './log-text.ts';

/** Deepest nesting that is logged. */
const MAX_DEPTH = 6;
/** Values in one record, all levels together: a socket logged by mistake must not become a megabyte. */
const MAX_VALUES = 500;
/** Errors in a chain of causes. */
const MAX_CAUSES = 8;

/** Matched against names in lower case without `-` and `_`. `tokenFile` and `tokenId` are not secrets. */
const SECRET_NAME =
  /(?:token|secret|password|passwd|passphrase|authorization|cookies?|privatekey|apikey|credentials?|assertion|jwt|sessionid)$/;

/** Header names whose next element in a flat list of raw headers is a secret. */
const SECRET_HEADER =
  /^(?:proxy-)?authorization$|^(?:set-)?cookie$|^postern-access-jwt-assertion$/i;

/** An error as it stands in a log record. */
export interface LoggedError {
  readonly type: string;
  readonly code?: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: LoggedError;
}

/** Whether `value` is an error, also one of another realm, where `instanceof` does not see it. */
export function isErrorLike(value: unknown): value is Error {
  return (
    typeof value === 'object' &&
    value !== null &&
    'stack' in value &&
    'message' in value &&
    typeof value.message === 'string'
  );
}

/** `value` as plain data: strings, finite numbers, booleans, null, arrays and objects of these. Never throws. */
export function cleanValue(value: unknown): unknown {
  return new Cleaner().clean(value, 0);
}

/** The fields of one log record, cleaned. */
export function cleanRecord(record: object): Record<string, unknown> {
  return new Cleaner().cleanObject(record, 0);
}

/** `error` as plain data, with its causes. Never throws. */
export function cleanError(error: unknown): LoggedError {
  const chain: unknown[] = [];
  let next = error;
  while (next !== undefined && chain.length < MAX_CAUSES && !chain.includes(next)) {
    chain.push(next);
    next = causeOf(next);
  }
  let logged: LoggedError | undefined;
  for (const link of chain.toReversed()) {
    const own = describe(link);
    logged = logged === undefined ? own : { ...own, cause: logged };
  }
  return logged ?? describe(error);
}

function causeOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('cause' in error && error.cause !== undefined) return error.cause;
  // AggregateError: what happy eyeballs throws. The first is the preferred address.
  if ('errors' in error && Array.isArray(error.errors)) return error.errors[0];
  return undefined;
}

function describe(error: unknown): LoggedError {
  const type = typeof error === 'object' && error !== null && 'name' in error ? error.name : '';
  const code = codeOf(error);
  const stack = needsStack(error, code) ? stackFrames(error) : undefined;
  return {
    type: cleanText(typeof type === 'string' && type !== '' ? type : typeof error),
    ...(code !== undefined && { code: cleanText(code) }),
    message: cleanText(messageOf(error)),
    ...(stack !== undefined && { stack }),
  };
}

function needsStack(error: unknown, code: string | undefined): error is Error {
  if (!isErrorLike(error) || 'syscall' in error) return false;
  return code === undefined || !Object.hasOwn(ERROR_CODES, code);
}

/** The frames alone: the head of `stack` repeats the message, in which an attacker may have put lines of his own. */
function stackFrames(error: Error): string | undefined {
  if (typeof error.stack !== 'string') return undefined;
  const messageEnd = error.stack.indexOf(error.message) + error.message.length;
  const firstFrame = error.stack.indexOf('\n    at ', messageEnd);
  return firstFrame < 0 ? undefined : cleanText(error.stack.slice(firstFrame + 1));
}

class Cleaner {
  #left = MAX_VALUES;

  clean(value: unknown, depth: number): unknown {
    this.#left -= 1;
    switch (typeof value) {
      case 'string':
        return cleanText(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.#cleanObjectValue(value, depth);
      case 'boolean':
        return value;
      case 'undefined':
      case 'function':
      case 'symbol':
        return undefined; // not data: the key is left out
    }
  }

  cleanObject(value: object, depth: number): Record<string, unknown> {
    const cleaned: Record<string, unknown> = {};
    try {
      // Not Object.entries(), which makes an array for each field of each line.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const fields = value as Readonly<Record<string, unknown>>;
      for (const key of Object.keys(fields)) {
        const field = fields[key];
        if (this.#left <= 0) {
          cleaned['…'] = 'more was left out';
          break;
        }
        const { isSecret, shown } = nameOf(key);
        const kept = isSecret && isTelling(field) ? REDACTED : this.clean(field, depth + 1);
        if (kept !== undefined) cleaned[shown] = kept;
      }
    } catch {
      cleaned['…'] = 'the rest cannot be read'; // a getter or a proxy that throws
    }
    return cleaned;
  }

  #cleanObjectValue(value: object, depth: number): unknown {
    if (isErrorLike(value)) return cleanError(value);
    if (depth >= MAX_DEPTH || this.#left <= 0) return '[…]';
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Date)
      return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof URL) return cleanText(value.href);
    if (value instanceof Map) return this.cleanObject(Object.fromEntries(value), depth);
    if (value instanceof Set) return this.#cleanArray([...value], depth);
    if (Array.isArray(value)) return this.#cleanArray(value, depth);
    return this.cleanObject(value, depth);
  }

  #cleanArray(values: readonly unknown[], depth: number): unknown[] {
    const cleaned: unknown[] = [];
    for (const [index, value] of values.entries()) {
      if (this.#left <= 0) {
        cleaned.push(`… ${values.length - index} more`);
        break;
      }
      const before = values[index - 1];
      const isSecret = typeof before === 'string' && SECRET_HEADER.test(before);
      cleaned.push(isSecret ? REDACTED : (this.clean(value, depth + 1) ?? null));
    }
    return cleaned;
  }
}

interface FieldName {
  readonly isSecret: boolean;
  /** The name as it is logged. */
  readonly shown: string;
}

/** Names seen before. Nearly all are those of log-field.ts; bounded because headers of users can get here too. */
const names = new Map<string, FieldName>();
const MAX_NAMES = 1_000;

function nameOf(key: string): FieldName {
  const known = names.get(key);
  if (known !== undefined) return known;
  const isSecret = SECRET_NAME.test(key.toLowerCase().replaceAll(/[-_]/g, ''));
  // Assigning to __proto__ would not add a field.
  const name = { isSecret, shown: key === '__proto__' ? '_proto_' : cleanText(key) };
  if (names.size < MAX_NAMES && key.length <= 64) names.set(key, name);
  return name;
}

/** `hasToken: true` and an absent token are told as they are. */
function isTelling(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'boolean';
}
