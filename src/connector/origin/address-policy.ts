/**
 * Which addresses a connector dials only when a rule names them: link-local, cloud metadata, unspecified, multicast,
 * broadcast (cases K7 of docs/security.md). A name in a rule must not become one of them by what a DNS server answers.
 *
 * Loopback and private addresses are allowed: they are what connectors are for, and the port is always the rule's.
 * An address that carries an IPv4 address inside (mapped, NAT64, 6to4…) is judged by the one inside as well.
 */
import { formatIpAddress, type IpAddress } from './ip-address.ts';

/** Where clouds answer credentials and user data outside the link-local block, by their documentation. */
const METADATA_V4 = new Map([
  [quad(100, 100, 100, 200), 'the metadata address of Alibaba Cloud'],
  [quad(168, 63, 129, 16), 'the platform address of Azure'],
  [quad(169, 254, 169, 254), 'the cloud metadata address'],
  [quad(192, 0, 0, 192), 'the metadata address of Oracle Cloud'],
]);

const METADATA_V6 = new Map([
  ['fd00:42:0:0:0:0:0:42', 'the metadata address of Scaleway'],
  ['fd00:c1:0:0:0:0:a9fe:a9fe', 'the metadata address of Oracle Cloud'],
  ['fd20:ce:0:0:0:0:0:254', 'the metadata address of Google Cloud'],
]);

/** Why an address may be dialled only by a rule that names it. */
export interface Restriction {
  /** Completes "169.254.169.254 is …". */
  readonly reason: string;
  /** The address is a detour: an IPv6 address with the restricted IPv4 address inside. Naming it names nothing. */
  readonly isDisguised: boolean;
}

/** What keeps a connector from dialling `address` unasked; undefined when nothing does. */
export function restrictionOf(address: IpAddress): Restriction | undefined {
  if (address.family === 4) return restriction(restrictionOfV4(address.value), false);
  const inside = embeddedV4(address.groups);
  return (
    restriction(restrictionOfV6(address.groups), false) ??
    restriction(inside === undefined ? undefined : restrictionOfV4(inside), true)
  );
}

/** The IPv4 address inside an IPv6 address that leads to it; undefined where there is none. */
export function embeddedAddress(address: IpAddress): IpAddress | undefined {
  if (address.family === 4) return undefined;
  const value = embeddedV4(address.groups);
  return value === undefined ? undefined : { family: 4, value };
}

function restriction(reason: string | undefined, isDisguised: boolean): Restriction | undefined {
  return reason === undefined ? undefined : { reason, isDisguised };
}

function restrictionOfV4(value: number): string | undefined {
  const metadata = METADATA_V4.get(value);
  if (metadata !== undefined) return metadata;
  const first = value >>> 24;
  if (first === 0) return 'an unspecified address';
  if (value >>> 16 === 0xa9fe) return 'a link-local address';
  if (first >= 224 && first < 240) return 'a multicast address';
  if (first >= 240) return 'a broadcast or reserved address';
  return undefined;
}

function restrictionOfV6(groups: readonly number[]): string | undefined {
  const [first = 0, second = 0] = groups;
  if (groups.every((group) => group === 0)) return 'an unspecified address';
  if ((first & 0xffc0) === 0xfe80) return 'a link-local address';
  if (first >>> 8 === 0xff) return 'a multicast address';
  // The whole block: ::254 is the metadata, ::23 hands out pod credentials.
  if (first === 0xfd00 && second === 0x0ec2) return 'a metadata address of AWS';
  return METADATA_V6.get(formatIpAddress({ family: 6, groups }));
}

/** The IPv4 address that a translator on the way, or our own kernel, would make of this IPv6 address. */
function embeddedV4(groups: readonly number[]): number | undefined {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last = g * 0x1_0000 + h;
  if (a === 0x2002) return b * 0x1_0000 + c; // 6to4, RFC 3056
  if (a === 0x64 && b === 0xff9b) return last; // NAT64, RFC 6052 and RFC 8215
  if ((a | b | c | d) !== 0) return undefined;
  if (e === 0 && f === 0xffff) return last; // IPv4-mapped, RFC 4291 §2.5.5.2
  if (e === 0xffff && f === 0) return last; // IPv4-translated, RFC 2765
  // IPv4-compatible, RFC 4291 §2.5.5.1. ::1 is loopback and not 0.0.0.1.
  return e === 0 && f === 0 && last > 1 ? last : undefined;
}

function quad(a: number, b: number, c: number, d: number): number {
  return ((a * 256 + b) * 256 + c) * 256 + d;
}
