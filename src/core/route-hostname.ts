/**
 * The hostname of a route: exact (`wiki.example.com`) or one leading wildcard (`*.example.com`), in the one form
 * that is stored and compared: lower case, punycode, no trailing dot. It must not accept a scheme, a port or a path:
 * somebody who wrote those meant something that a route cannot do.
 */
import { domainToASCII } from 'node:url';

import { LIMITS } from './limits.ts';

const WILDCARD = '*.';
/** Underscores are not for host names in DNS, but people have them and browsers ask for them. */
const HOSTNAME =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const ASCII = /^[\0-\x7f]*$/;
/** What URL parsing would take as the end of the name, decode, or silently drop. */
const NOT_IN_NAMES = /[\0-,/:-@[-^`{-\x7f]/;

/** What `parseRouteHostname` accepts, for an error message. */
export const ROUTE_HOSTNAME_RULE =
  `must be a hostname such as "wiki.example.com" or "*.example.com" of at most ${LIMITS.hostnameChars} characters, ` +
  'without scheme, port or path';

/** The stored form of a route's hostname; undefined when it is not one. */
export function parseRouteHostname(text: string): string | undefined {
  // Checked first so that an absurd input costs nothing; punycode only ever makes a name longer.
  if (text.length > LIMITS.hostnameChars + 1) return undefined;
  const isWildcard = text.startsWith(WILDCARD);
  const name = isWildcard ? text.slice(WILDCARD.length) : text;
  const hostname = (isWildcard ? WILDCARD : '') + canonical(name);
  if (hostname.length > LIMITS.hostnameChars) return undefined;
  return HOSTNAME.test(isWildcard ? hostname.slice(WILDCARD.length) : hostname)
    ? hostname
    : undefined;
}

function canonical(name: string): string {
  if (NOT_IN_NAMES.test(name)) return '';
  // domainToASCII reads "0x7f.1" as an address, so what is ASCII already never goes through it.
  const ascii = ASCII.test(name) ? name.toLowerCase() : domainToASCII(name);
  return ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
}
