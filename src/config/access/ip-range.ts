/**
 * Ranges of IP addresses as policies name them: `192.0.2.0/24`, `2001:db8::/32`, or one address.
 *
 * IPv4 and IPv6 are apart: `::/0` holds no IPv4 address. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is that IPv4
 * address, in ranges and in what is compared with them. Pure; nothing here resolves a name.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { PosternError } from '../../core/error.ts';

/** A network, or one address. */
export interface IpRange {
  /** As it was written. */
  readonly text: string;
  readonly family: 4 | 6;
  /** The network's address, most significant byte first. */
  readonly bytes: readonly number[];
  /** Leading bits that an address shares with it. */
  readonly prefix: number;
}

/** Parses `address` or `address/bits`. Throws CONFIG_INVALID, also where bits behind the prefix are set. */
export function parseIpRange(text: string): IpRange {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  if (parsed === undefined || address.includes('%')) {
    throw invalid(text, 'is not an address', 'write one such as 192.0.2.0/24 or 2001:db8::1');
  }
  const most = parsed.bytes.length * 8;
  // The prefix of an IPv4 network that is written as IPv6 counts from the front of the longer form.
  const written = bits === undefined ? most : Number(bits) - (isMapped(address, parsed) ? 96 : 0);
  if (written < 0 || written > most) {
    throw invalid(text, `has a prefix beyond ${most}`, `write a number from 0 to ${most}`);
  }
  const network = masked(parsed.bytes, written);
  if (network.some((byte, at) => byte !== parsed.bytes[at])) {
    const range = `${formatAddress(network)}/${written}`;
    throw invalid(text, 'has bits set behind its prefix', `write ${range}`);
  }
  return { text, family: parsed.family, bytes: network, prefix: written };
}

/** Whether an address, in any notation, is in the range. What is no address is in none. */
export function isInRange(range: IpRange, address: string): boolean {
  return isInAny([range], address);
}

/** Whether an address, in any notation, is in one of the ranges: it is read once, however many there are. */
export function isInAny(ranges: readonly IpRange[], address: string): boolean {
  if (ranges.length === 0) return false;
  const parsed = parseAddress(address);
  if (parsed === undefined) return false;
  const { family, bytes } = parsed;
  return ranges.some((range) => range.family === family && beginsLike(bytes, range));
}

function beginsLike(bytes: readonly number[], range: IpRange): boolean {
  const whole = range.prefix >> 3;
  for (let at = 0; at < whole; at += 1) if (bytes[at] !== range.bytes[at]) return false;
  const mask = 0xff00 >> (range.prefix & 7);
  return (((bytes[whole] ?? 0) ^ (range.bytes[whole] ?? 0)) & mask & 255) === 0;
}

/** The address as itself: IPv4 that is written as IPv6 as IPv4, and without a zone. Undefined when it is none. */
export function plainAddress(address: string): string | undefined {
  const parsed = parseAddress(address);
  return parsed && formatAddress(parsed.bytes);
}

interface Address {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bytes: v4Bytes(text) };
  if (!isIPv6(text)) return undefined;
  const bytes = v6Bytes(text.replace(/%.*$/, ''));
  const isMappedV4 = MAPPED.every((byte, at) => bytes[at] === byte);
  return isMappedV4 ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes };
}

function isMapped(text: string, { family }: Address): boolean {
  return family === 4 && text.includes(':');
}

function v4Bytes(text: string): number[] {
  return text.split('.').map(Number);
}

/** Of an address that Node has found valid. */
function v6Bytes(text: string): number[] {
  const hex = text.replace(/[\d.]+$/, (end) => {
    if (!end.includes('.')) return end;
    const [a = 0, b = 0, c = 0, d = 0] = v4Bytes(end);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = [], tail] = hex.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const gap = tail === undefined ? 0 : 8 - head.length - tail.length;
  const words = [...head, ...Array<string>(gap).fill('0'), ...(tail ?? [])];
  return words.flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 255];
  });
}

function masked(bytes: readonly number[], prefix: number): number[] {
  return bytes.map((byte, at) => {
    const kept = Math.min(8, Math.max(0, prefix - at * 8));
    return byte & (0xff00 >> kept) & 255;
  });
}

function formatAddress(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  // The URL parser knows the short form.
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
}

function invalid(text: string, problem: string, remedy: string): PosternError {
  return new PosternError('CONFIG_INVALID', `"${text}" ${problem}; ${remedy}`);
}
