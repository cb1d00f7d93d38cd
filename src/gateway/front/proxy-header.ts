/**
 * The PROXY protocol, versions 1 and 2: how a load balancer says for whom it opened a connection.
 *
 * Pure, and strict: what is not exactly a header is refused, because whatever is behind it would be taken for somebody else's.
 * Addresses of local connections and of families without ports say nothing; the connection is then the proxy's own.
 * See haproxy.org/download/3.0/doc/proxy-protocol.txt, §2.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from '../../config/access/ip-range.ts';
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { ClientAddress } from './client-address.ts';

/** A whole header. */
export interface ProxyHeader {
  /** Bytes it takes; what is behind them belongs to the connection. */
  readonly length: number;
  /** For whom; undefined where the proxy speaks for itself. */
  readonly client: ClientAddress | undefined;
}

/** `\r\n\r\n\0\r\nQUIT\n`: no protocol begins like that. */
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V2_FIXED_BYTES = 16;
/** The longest line of version 1, with its end. */
const V1_BYTES = 107;
const V1_START = Buffer.from('PROXY ');

/** The header at the start of `bytes`; undefined where more has to come. Throws TCP_PROXY when there is none. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, SIGNATURE)) return parseBinary(bytes);
  if (startsLike(bytes, V1_START)) return parseLine(bytes);
  throw notOne('it begins with something else');
}

/** Whether `bytes` are the start of `start`, or `start` is theirs. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function parseLine(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_BYTES).indexOf('\r\n');
  if (end === -1) {
    if (bytes.length >= V1_BYTES) throw notOne('its line has no end');
    return undefined;
  }
  const line = bytes.toString('latin1', 0, end);
  const length = end + 2;
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { length, client: undefined };
  const words = line.split(' ');
  const [, family, source = '', target = '', port = '', targetPort = ''] = words;
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
  const isKnown = family === 'TCP4' || family === 'TCP6';
  // Node takes a zone for a part of the address.
  const isPair = isAddress(source) && isAddress(target) && !line.includes('%');
  if (words.length !== 6 || !isKnown || !isPair || !isPort(port) || !isPort(targetPort)) {
    throw notOne('its line is malformed');
  }
  return { length, client: { address: plainAddress(source) ?? source, port: Number(port) } };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Bytes of both addresses, and of one, by family and transport. Others have no ports of TCP. */
const FAMILIES: ReadonlyMap<number, { readonly bytes: number; readonly address: number }> = new Map(
  [
    [0x11, { bytes: 12, address: 4 }],
    [0x21, { bytes: 36, address: 16 }],
  ],
);
/** Unspecified, and Unix sockets. */
const WITHOUT_ADDRESS: ReadonlySet<number> = new Set([0x00, 0x31]);

function parseBinary(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < V2_FIXED_BYTES) return undefined;
  const command = bytes[12] ?? 0;
  const family = bytes[13] ?? 0;
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) throw notOne('its version or command is unknown');
  if (length > LIMITS.proxyHeaderBytes) {
    throw notOne(`it has ${length} bytes, more than ${LIMITS.proxyHeaderBytes}`);
  }
  if (bytes.length < length) return undefined;
  // LOCAL: the proxy asks whether we are there. Whatever addresses it gives mean nothing.
  if (command === 0x20 || WITHOUT_ADDRESS.has(family)) return { length, client: undefined };
  const shape = FAMILIES.get(family);
  if (shape === undefined) throw notOne('its addresses are not of TCP');
  const rest = bytes.subarray(V2_FIXED_BYTES, length);
  if (rest.length < shape.bytes) throw notOne('its addresses are cut short');
  checkExtensions(rest.subarray(shape.bytes));
  const port = rest.readUInt16BE(shape.address * 2);
  return { length, client: { address: formatAddress(rest.subarray(0, shape.address)), port } };
}

/** Type, length and value in turn. None is of use here, but what is not made of them is no header. */
function checkExtensions(bytes: Buffer): void {
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) throw notOne('an extension is cut short');
    at += 3 + bytes.readUInt16BE(at + 1);
  }
  if (at > bytes.length) throw notOne('an extension is longer than the header');
}

function formatAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  const text = words.join(':');
  return plainAddress(text) ?? text;
}

function notOne(why: string): PosternError {
  return new PosternError('TCP_PROXY', `Cannot read the PROXY header: ${why}`);
}
