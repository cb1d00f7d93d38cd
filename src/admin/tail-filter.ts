/**
 * Which requests somebody wants to see who watches a tunnel. docs/operations.md "Watching a tunnel".
 *
 * Pure, but for the share of a sample. Everything that is asked for must hold; of a list with commas, one of it.
 */
import { matchesHostname, parseHostnamePattern } from '../config/hostname-pattern.ts';
import { messageOf, PosternError } from '../core/error.ts';
import type { TailedRequest } from './tail-line.ts';

/** As they are asked for, all text. */
export interface TailFilterText {
  /** `404`, `5xx`, `400-499`, several with commas; `0` for requests that were not answered. */
  readonly status?: string;
  /** `GET,POST`. */
  readonly method?: string;
  /** What the path begins with. */
  readonly path?: string;
  /** A hostname, or `*.suffix`. */
  readonly hostname?: string;
  /** An e-mail address, or the name of a service token. */
  readonly user?: string;
  /** The share of the requests, from 0 to 1. */
  readonly sample?: string;
}

/** Whether a request is one of those. */
export type TailFilter = (request: TailedRequest) => boolean;

/** Reads a filter. `random` decides about samples. Throws ADMIN_BAD_REQUEST and names what is wrong. */
export function parseTailFilter(
  text: TailFilterText,
  random: () => number = Math.random,
): TailFilter {
  const { status, method, path, hostname, user, sample } = text;
  const wanted: TailFilter[] = [];
  if (status !== undefined) wanted.push(statusFilter(status));
  if (method !== undefined) {
    const methods = new Set(listOf('method', method, /^[A-Z]{1,20}$/i).map(upperCase));
    wanted.push((request) => methods.has(request.method));
  }
  if (path !== undefined) {
    if (!path.startsWith('/')) throw bad('path', path, 'write what it begins with, such as /api/');
    wanted.push((request) => request.path.startsWith(path));
  }
  if (hostname !== undefined) wanted.push(hostnameFilter(hostname));
  if (user !== undefined) {
    const lowerCase = user.toLowerCase();
    wanted.push((request) => request.user?.toLowerCase() === lowerCase);
  }
  // Last: a share of what is left.
  if (sample !== undefined) {
    const share = shareOf(sample);
    wanted.push(() => random() < share);
  }
  return (request) => wanted.every((matches) => matches(request));
}

function statusFilter(text: string): TailFilter {
  const ranges = listOf('status', text, /^(?:0|[1-5](?:xx|\d\d)|[1-5]\d\d-[1-5]\d\d)$/).map(
    rangeOf,
  );
  return ({ status }) => ranges.some(([low, high]) => status >= low && status <= high);
}

/** Of a code, a class or a range. */
function rangeOf(part: string): [number, number] {
  if (part.endsWith('xx')) return [Number(part[0]) * 100, Number(part[0]) * 100 + 99];
  const [low = '', high = low] = part.split('-');
  return [Number(low), Number(high)];
}

function hostnameFilter(text: string): TailFilter {
  try {
    const pattern = parseHostnamePattern(text);
    return ({ hostname }) => matchesHostname(pattern, hostname);
  } catch (error) {
    throw bad('hostname', text, messageOf(error));
  }
}

function shareOf(text: string): number {
  const share = /^(?:0|1|0?\.\d{1,6}|1\.0{1,6})$/.test(text) ? Number(text) : Number.NaN;
  if (!(share > 0)) throw bad('sample', text, 'write a number above 0 and up to 1, such as 0.1');
  return share;
}

function listOf(name: string, text: string, part: RegExp): string[] {
  const parts = text.split(',').map((one) => one.trim());
  const isGood = parts.length <= MAX_PARTS && parts.every((one) => part.test(one));
  if (isGood) return parts;
  throw bad(name, text, name === 'status' ? 'write 404, 5xx or 400-499' : 'write GET or GET,POST');
}

/** Parts of one list. */
const MAX_PARTS = 32;

function upperCase(text: string): string {
  return text.toUpperCase();
}

function bad(name: string, text: string, why: string): PosternError {
  const message = `Cannot read the filter "${name}" (${JSON.stringify(text.slice(0, 60))}): ${why}`;
  return new PosternError('ADMIN_BAD_REQUEST', message);
}
