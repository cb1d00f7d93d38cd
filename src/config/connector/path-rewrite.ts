/**
 * `rewrite` of an ingress rule: what the origin is asked for instead of the path that the user asked for.
 *
 * The first match of an RE2 expression is replaced; what it did not match stays, and so does the query. Rules and policies look
 * at the path as it came. The result must be as plain as what came was: an expression cannot make `/../` out of `/a../`.
 * Read by connectors from their file, and by gateways from the wire.
 */
import { RE2JS } from 're2js';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { isCanonicalPath } from '../canonical-path.ts';
import { compilePath } from './path-pattern.ts';

/** As it was written: the expression, and what to put in the place of what it finds. */
export interface WrittenRewrite {
  readonly path: string;
  readonly to: string;
}

/** A compiled rewrite. */
export interface PathRewrite extends WrittenRewrite {
  /** The path for the origin. Throws HTTP_BAD_REQUEST where it could be read in two ways or is too long. */
  apply(path: string): string;
}

/** What may stand in `to`: what may stand in a path, and `$`. */
const TO = /^[A-Za-z0-9\-._~!$&'()*+,=:@%{}/]*$/;

/** A group by number or name, or a dollar sign. */
const REFERENCE = /\$(?:(\d{1,2})|\{(\w{1,32})\}|(\$))|\$/g;

/** Empty segments, but for one at the end, and dot segments. */
const ODD_SEGMENT = /\/(?=\/|\.{1,2}(?:\/|$))/;

/** Text as it stands, or the number of a group. */
type Part = string | number;

/** Compiles a rewrite. Throws CONFIG_INVALID for what cannot be used. */
export function compileRewrite({ path: pattern, to }: WrittenRewrite): PathRewrite {
  // Checks the size as well.
  const { text } = compilePath(pattern);
  const compiled = RE2JS.compile(text);
  const parts = parseTo(to, compiled);
  return {
    path: pattern,
    to,
    apply(path) {
      const found = compiled.matcher(path);
      if (!found.find()) return path;
      const middle = parts
        .map((part) => (typeof part === 'string' ? part : (found.group(part) ?? '')))
        .join('');
      const result = path.slice(0, found.start()) + middle + path.slice(found.end()) || '/';
      checkResult(path, result);
      return result;
    },
  };
}

function parseTo(to: string, compiled: RE2JS): Part[] {
  if (to.length > LIMITS.rewriteChars) {
    throw invalid(to, `has more than ${LIMITS.rewriteChars} characters`);
  }
  if (!TO.test(to)) throw invalid(to, 'has characters that no path may have, or a query');
  const parts: Part[] = [];
  let from = 0;
  for (const match of to.matchAll(REFERENCE)) {
    parts.push(to.slice(from, match.index), partOf(match, to, compiled));
    from = match.index + match[0].length;
  }
  return [...parts, to.slice(from)].filter((part) => part !== '');
}

function partOf([, number, name, dollar]: RegExpExecArray, to: string, compiled: RE2JS): Part {
  if (dollar !== undefined) return '$';
  const groups: Readonly<Record<string, number>> = compiled.namedGroups();
  const named = name === undefined || !Object.hasOwn(groups, name) ? undefined : groups[name];
  const group = number === undefined ? named : Number(number);
  if (group !== undefined && group <= compiled.groupCount()) return group;
  throw invalid(to, 'names a group that the expression does not have; write $$ for a dollar sign');
}

function checkResult(path: string, result: string): void {
  const isPlain = result.startsWith('/') && !ODD_SEGMENT.test(result);
  const isClear = isPlain && (isCanonicalPath(result) || !isCanonicalPath(path));
  if (isClear && result.length <= LIMITS.rewrittenPathChars) return;
  const why = isClear ? 'it becomes too long' : 'what comes out is no plain path';
  throw new PosternError('HTTP_BAD_REQUEST', `Cannot rewrite the path of the request: ${why}`);
}

function invalid(to: string, problem: string): PosternError {
  return new PosternError('CONFIG_INVALID', `"${to.slice(0, 60)}" ${problem}`);
}
