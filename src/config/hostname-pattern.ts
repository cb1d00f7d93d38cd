/**
 * Hostnames and the patterns that ingress rules and applications match them with.
 *
 * Everything is compared in one normal form: lower case, ASCII (punycode), no port, no trailing dot.
 * Pure functions; nothing here resolves a name. cloudflared's rules: `*` is only ever the whole first label and
 * stands for one or more labels.
 */
import { domainToASCII } from 'node:url';
import { PosternError } from '../core/error.ts';
import { parseRouteHostname } from '../core/route-hostname.ts';

/** What a hostname must be to match. `text` is the normal form to print, announce and compare patterns with. */
export type HostnamePattern =
  | { readonly kind: 'any'; readonly text: '*' }
  | { readonly kind: 'exact'; readonly text: string; readonly hostname: string }
  | { readonly kind: 'suffix'; readonly text: string; readonly suffix: string };

const ALREADY_NORMAL = /^[a-z0-9._-]*[a-z0-9_-]$/;

/**
 * The form in which hostnames are compared: lower case, without port and trailing dot, international names in punycode.
 * Never throws: what is no hostname comes back in lower case and matches only `*`.
 */
export function normaliseHostname(text: string): string {
  if (ALREADY_NORMAL.test(text)) return text;
  let host = text.trim().toLowerCase();
  const isBracketed = host.startsWith('[');
  host = isBracketed ? host.replace(/\]:\d*$/, ']') : host.replace(/:\d*$/, '');
  if (isBracketed) return host;
  host = toAscii(host);
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

/**
 * Parses `host.example.com`, `*.example.com`, `*` or nothing. Throws CONFIG_INVALID for a port, a scheme, a `*`
 * anywhere but as the first label, and for what DNS would not take.
 */
export function parseHostnamePattern(text: string): HostnamePattern {
  if (text === '' || text === '*') return { kind: 'any', text: '*' };
  const normal = checkHostname(text);
  if (normal.startsWith('*.')) return { kind: 'suffix', text: normal, suffix: normal.slice(1) };
  return { kind: 'exact', text: normal, hostname: normal };
}

/** Parses one hostname, without `*`, into its normal form. Throws CONFIG_INVALID. */
export function parseHostname(text: string): string {
  if (text === '') throw invalid(text, 'is empty', 'write a name such as ssh.example.com');
  if (text.includes('*')) {
    throw invalid(text, 'has a "*"', 'write one name such as ssh.example.com');
  }
  return checkHostname(text);
}

/** Whether `hostname`, in any form that a user may send, matches. `*.example.com` does not match `example.com`. */
export function matchesHostname(pattern: HostnamePattern, hostname: string): boolean {
  if (pattern.kind === 'any') return true;
  if (pattern.kind === 'exact') {
    // Nearly always it is in the normal form already.
    return hostname === pattern.hostname || normaliseHostname(hostname) === pattern.hostname;
  }
  const normal = normaliseHostname(hostname);
  return normal.length > pattern.suffix.length && normal.endsWith(pattern.suffix);
}

/** The normal form of a hostname or `*.` pattern. */
function checkHostname(text: string): string {
  if (text.includes('/')) {
    throw invalid(text, 'is not a hostname', 'write the name alone, without scheme and path');
  }
  if (text.includes(':')) throw invalid(text, 'has a port', 'write the name alone');
  if (text.lastIndexOf('*') > 0 || /^\*[^.]/.test(text)) {
    throw invalid(text, 'has a "*" inside', 'it may only be the first label: *.example.com');
  }
  // Percent signs would be decoded in an international name; a name in a file must not depend on that.
  const normal = text.includes('%') ? undefined : parseRouteHostname(text);
  if (normal === undefined) {
    throw invalid(text, 'is not a hostname', 'write a name such as www.example.com');
  }
  return normal;
}

function toAscii(lower: string): string {
  // ASCII is left alone: domainToASCII would also read `1.2` as an IPv4 address.
  if (/^[\u0021-\u007e]*$/.test(lower)) return lower;
  const ascii = domainToASCII(lower);
  return ascii === '' ? lower : ascii;
}

function invalid(text: string, problem: string, remedy: string): PosternError {
  return new PosternError('CONFIG_INVALID', `hostname "${text}" ${problem}; ${remedy}`);
}
