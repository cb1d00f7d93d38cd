/**
 * The PROXY protocol, versions 1 and 2, as a sender: what an origin is told about the user before anything else. See
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
 *
 * The addresses come from the gateway and are read before they are written again, so nothing else gets into a header. A
 * user whose address is not known is told as such: a guess would be believed.
 */
import { parseIpRange, plainAddress } from '../../config/access/ip-range.ts';

/** An address and port as the other side tells them, in any notation. */
interface Peer {
  readonly address: string;
  readonly port: number;
}

/** What a header says. */
export interface ProxyFacts {
  /** The user; absent where nobody knows, and for streams that have none. */
  readonly client?: Peer | undefined;
  /** The origin's end of the connection; absent where it has no address. */
  readonly origin?: Peer | undefined;
  /** The hostname that was asked for; version 2 tells it as the authority. */
  readonly hostname: string;
  /** Version 2 tells it as the id of the connection. */
  readonly requestId?: string | undefined;
}

/** Version 2 begins with these bytes (§2.2). */
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const TLV_AUTHORITY = 0x02;
const TLV_UNIQUE_ID = 0x05;
/** Longest unique id (§2.2.5). */
const MAX_UNIQUE_ID = 128;

/** The header, whole. */
export function proxyHeader(version: 'v1' | 'v2', facts: ProxyFacts): Buffer {
  const route = routeOf(facts);
  return version === 'v1' ? encodeText(route) : encodeBinary(route, facts);
}

/** Both ends in one family, which is IPv6 as soon as one of them is. */
interface Route {
  readonly isIpv6: boolean;
  readonly from: { readonly bytes: readonly number[]; readonly port: number };
  readonly to: { readonly bytes: readonly number[]; readonly port: number };
}

function routeOf({ client, origin }: ProxyFacts): Route | undefined {
  const source = client && bytesOf(client.address);
  if (client === undefined || source === undefined) return undefined;
  const target = (origin && bytesOf(origin.address)) ?? source.map(() => 0);
  const isIpv6 = source.length > 4 || target.length > 4;
  const fit = (bytes: readonly number[]): readonly number[] =>
    isIpv6 && bytes.length === 4 ? [...MAPPED, ...bytes] : bytes;
  return {
    isIpv6,
    from: { bytes: fit(source), port: client.port },
    to: { bytes: fit(target), port: origin?.port ?? 0 },
  };
}

/** RFC 4291 §2.5.5.2. */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

function bytesOf(address: string): readonly number[] | undefined {
  const plain = plainAddress(address);
  return plain === undefined ? undefined : parseIpRange(plain).bytes;
}

/** §2.1; never longer than its 107 bytes. */
function encodeText(route: Route | undefined): Buffer {
  if (route === undefined) return Buffer.from('PROXY UNKNOWN\r\n');
  const { isIpv6, from, to } = route;
  const family = isIpv6 ? 'TCP6' : 'TCP4';
  const words = [family, textOf(from.bytes), textOf(to.bytes), from.port, to.port];
  return Buffer.from(`PROXY ${words.join(' ')}\r\n`);
}

/** IPv6 in full: an IPv4 address inside stays one for whoever reads it. */
function textOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return groups.join(':');
}

function encodeBinary(route: Route | undefined, { hostname, requestId }: ProxyFacts): Buffer {
  if (route === undefined) return Buffer.from([...SIGNATURE, LOCAL, 0, 0, 0]);
  const { isIpv6, from, to } = route;
  const body = Buffer.concat([
    Buffer.from([...from.bytes, ...to.bytes, ...portBytes(from.port), ...portBytes(to.port)]),
    tlv(TLV_AUTHORITY, hostname),
    tlv(TLV_UNIQUE_ID, requestId?.slice(0, MAX_UNIQUE_ID) ?? ''),
  ]);
  const family = isIpv6 ? TCP6 : TCP4;
  return Buffer.concat([SIGNATURE, Buffer.from([PROXY, family, ...portBytes(body.length)]), body]);
}

/** A 16-bit number, most significant byte first. */
function portBytes(value: number): [number, number] {
  return [value >> 8, value & 0xff];
}

function tlv(type: number, text: string): Buffer {
  const value = Buffer.from(text);
  return value.length === 0
    ? value
    : Buffer.concat([Buffer.from([type, ...portBytes(value.length)]), value]);
}
