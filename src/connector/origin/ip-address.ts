/**
 * IP addresses as numbers, so that one address has one form whatever way it is written.
 *
 * Reads what a resolver or `inet_aton` would read: dotted quads, `2852039166`, `0xA9FEA9FE`, `0251.0376.0251.0376`,
 * `169.254.43518`, IPv6 with or without brackets, zone or an embedded quad. Pure; looks nothing up.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** `value` is the whole IPv4 address as an unsigned 32-bit number; `groups` are the eight 16-bit groups of IPv6. */
export type IpAddress =
  | { readonly family: 4; readonly value: number }
  | { readonly family: 6; readonly groups: readonly number[] };

/** The address that `text` writes, or undefined when it is a name. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const bare = text.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  if (isIPv6(bare)) return { family: 6, groups: readGroups(bare) };
  const quad = isIPv4(bare) ? bare : readNumericHost(bare);
  return quad === undefined ? undefined : { family: 4, value: readQuad(quad) };
}

/** The text that a socket takes: `169.254.169.254`, `fd00:ec2:0:0:0:0:0:254`. */
export function formatIpAddress(address: IpAddress): string {
  if (address.family === 6) return address.groups.map((group) => group.toString(16)).join(':');
  return [24, 16, 8, 0].map((shift) => (address.value >>> shift) & 0xff).join('.');
}

/** `inet_aton` forms. The WHATWG host parser reads them all, and refuses numbers that are out of range. */
function readNumericHost(text: string): string | undefined {
  if (!/^[0-9a-fx.]+$/i.test(text)) return undefined;
  const url = `http://${text}/`;
  if (!URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  return isIPv4(hostname) ? hostname : undefined;
}

function readQuad(quad: string): number {
  return quad.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
}

function readGroups(text: string): number[] {
  // The URL parser turns an embedded quad into two groups, and writes no more than one "::".
  const [head = '', tail = ''] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
}
