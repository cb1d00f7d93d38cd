/**
 * The handshake of a WebSocket over HTTP/2 (RFC 8441 §5), as an origin that speaks HTTP/1.1 knows it (RFC 6455 §4).
 *
 * Pure but for the key, which is ours: HTTP/2 has none. It proves that the origin answers this request as a WebSocket
 * server, and not one that came before.
 */
import { createHash, randomBytes } from 'node:crypto';

const KEY = 'sec-websocket-key';

/** What a server adds to the key (RFC 6455 §1.3). */
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The fields of a request, with a fresh key: names and values in turn. */
export function asHandshake(fields: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== KEY) kept.push(fields[index] ?? '', fields[index + 1] ?? '');
  }
  return [...kept, KEY, randomBytes(16).toString('base64')];
}

/** What Sec-WebSocket-Accept says to fields that asHandshake() made. */
export function expectedAccept(fields: readonly string[]): string {
  const key = fields[fields.lastIndexOf(KEY) + 1] ?? '';
  return createHash('sha1')
    .update(key + MAGIC)
    .digest('base64');
}
