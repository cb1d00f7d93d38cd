/**
 * SOCKS5 as a server reads it (RFC 1928): the greeting, then one request. Only CONNECT, only without authentication: who may
 * use the service was decided before its stream was opened.
 *
 * Bytes in, messages out; pure. No message is longer than 262 bytes, and none is read further than it goes.
 */
import { destinationOf, type Destination } from '../../config/destination.ts';
import { PosternError } from '../../core/error.ts';
import { formatIpAddress } from '../origin/ip-address.ts';

/** RFC 1928 §6. */
const SOCKS_REPLY = {
  succeeded: 0,
  failed: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  badCommand: 7,
  badAddressType: 8,
} as const;

export type SocksReply = keyof typeof SOCKS_REPLY;

/** What answers a greeting: no authentication, or nothing that the user offered. */
export const SOCKS_METHOD = {
  none: Uint8Array.of(5, 0),
  unacceptable: Uint8Array.of(5, 0xff),
} as const;

/** A message that is whole, or how many bytes there must be before more can be said: never more than it has. */
export type Parsed<Message> = { readonly message: Message } | { readonly needs: number };

/** Whether the greeting offers to go without authentication. Throws ORIGIN_SOCKS. */
export function parseGreeting(bytes: Uint8Array): Parsed<{ readonly offersNone: boolean }> {
  const [version, count] = bytes;
  if (version !== undefined && version !== 5) throw notSocks(`it begins with byte ${version}`);
  if (count === undefined) return { needs: 2 };
  if (bytes.length < 2 + count) return { needs: 2 + count };
  return { message: { offersNone: bytes.subarray(2).includes(0) } };
}

/** What a request asks for: a destination, or the reply that refuses it. */
export type SocksRequest = Destination | { readonly refused: SocksReply };

/** Reads the request. Throws ORIGIN_SOCKS. */
export function parseRequest(bytes: Uint8Array): Parsed<SocksRequest> {
  const [version, command, , type, first] = bytes;
  if (version !== undefined && version !== 5) throw notSocks(`its request is version ${version}`);
  if (command === undefined || type === undefined || first === undefined) {
    return { needs: 5 };
  }
  const size = ADDRESS_BYTES.get(type) ?? (type === NAME ? 1 + first : undefined);
  if (size === undefined) return { message: { refused: 'badAddressType' } };
  const end = 4 + size + 2;
  if (bytes.length < end) return { needs: end };
  if (command !== CONNECT) return { message: { refused: 'badCommand' } };
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  const destination = destinationOf(hostOf(view, type, size), view.readUInt16BE(4 + size));
  return { message: destination ?? { refused: 'failed' } };
}

/** The reply to a request. The address that it names is nobody's: users need not know ours. */
export function encodeReply(reply: SocksReply): Uint8Array {
  return Uint8Array.of(5, SOCKS_REPLY[reply], 0, IPV4, 0, 0, 0, 0, 0, 0);
}

/** Which reply says what went wrong with the destination. */
export function replyFor(code: string | undefined): SocksReply {
  switch (code) {
    case 'ORIGIN_FORBIDDEN':
      return 'notAllowed';
    case 'ORIGIN_REFUSED':
    case 'ORIGIN_RESET':
      return 'refused';
    case 'ORIGIN_DNS':
    case 'ORIGIN_TIMEOUT':
    case 'ORIGIN_UNREACHABLE':
      return 'hostUnreachable';
    default:
      return 'failed';
  }
}

const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const ADDRESS_BYTES = new Map([
  [IPV4, 4],
  [IPV6, 16],
]);

function hostOf(request: Buffer, type: number, size: number): string {
  if (type === NAME) return request.toString('utf8', 5, 4 + size);
  if (type === IPV4) return request.subarray(4, 8).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => request.readUInt16BE(4 + at * 2));
  return formatIpAddress({ family: 6, groups });
}

function notSocks(why: string): PosternError {
  return new PosternError('ORIGIN_SOCKS', `Cannot serve as a SOCKS5 proxy: ${why}`);
}
