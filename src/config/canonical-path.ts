/**
 * Paths that mean one thing to everybody who reads them, and the prefixes that applications are put under.
 *
 * A rule about `/admin` is worth nothing when `/%61dmin`, `//admin`, `/x/../admin` or `/admin;x` reach the same page. Such
 * paths are not rewritten, because the origin gets what the user sent: they are refused. Paths are compared byte by byte.
 */
import { PosternError } from '../core/error.ts';
import { show } from './field.ts';

/**
 * What may stand in a segment: unreserved characters, sub-delimiters without `;`, which some origins cut off, and what
 * browsers send raw. RFC 3986 §3.3. Linear: the alternatives begin differently.
 */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@|[\]^{}/]|%[0-9A-Fa-f]{2})*$/;

/** Encoded: controls, `%` before two digits (encoded twice), `/`, `\`, `;`, and what needs no encoding. */
const ODD_ENCODING =
  /%(?:[01][0-9a-f]|7f|25[0-9a-f]{2}|2f|5c|3b|2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/i;

/** Empty segments, but for one at the end, and dot segments. */
const ODD_SEGMENT = /\/(?=\/|\.{1,2}(?:\/|$))/;

/** Whether a path, without a query, can be read in one way only. `/` is the shortest that can. */
export function isCanonicalPath(path: string): boolean {
  return PATH.test(path) && !ODD_ENCODING.test(path) && !ODD_SEGMENT.test(path) && isUtf8(path);
}

/** Over-long forms such as `%c0%af` are a `/` to some decoders. */
function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a canonical path is the prefix itself or below it: `/admin` holds `/admin/x` and not `/administrator`. */
export function isBelow(prefix: string, path: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}

/**
 * The `path` of an application: segments of letters, digits, `-`, `.`, `_` and `~`, which are never encoded. Without the
 * slash at the end. Throws CONFIG_INVALID.
 */
export function parsePathPrefix(text: string): string {
  const isPrefix = /^\/(?:[A-Za-z0-9\-._~]+(?:\/[A-Za-z0-9\-._~]+)*\/?)?$/.test(text);
  if (isPrefix && isCanonicalPath(text)) return text === '/' ? text : text.replace(/\/$/, '');
  const rule = 'write whole segments of letters, digits and -._~, such as /admin';
  throw new PosternError('CONFIG_INVALID', `${show(text)} is not a path to protect; ${rule}`);
}
