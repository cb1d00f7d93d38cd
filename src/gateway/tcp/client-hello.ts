/**
 * The name that a TLS client asks for, read from the first message of its handshake, which is not encrypted.
 *
 * Pure. Reads no more than it must and trusts nothing: a message that is malformed in any part that is looked at, or longer
 * than anybody needs, is refused before TLS sees it. RFC 8446 §4.1.2, RFC 6066 §3, RFC 9849 (ECH).
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

/** What a ClientHello says in the clear. */
export interface ClientHello {
  /** Lower case; undefined for a client that names nobody. */
  readonly name: string | undefined;
  /** Whether it has the extension in which the real name is hidden, or which pretends that. */
  readonly hasHiddenName: boolean;
}

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEAD_BYTES = 5;
const MESSAGE_HEAD_BYTES = 4;
const MAX_RECORD_BYTES = 16 * 1024;
/** Those who split it at all split it into two or three. */
const MAX_RECORDS = 16;
const SERVER_NAME = 0;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
/** As DNS has them. What comes here goes into logs and routes. */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/;

/** The ClientHello at the start of a connection; undefined where more has to come. Throws TCP_HELLO when there is none. */
export function parseClientHello(bytes: Buffer): ClientHello | undefined {
  const message = handshakeMessage(bytes);
  if (message !== undefined) return parseMessage(new Fields(message));
  if (bytes.length >= LIMITS.clientHelloBytes) throw notOne('it is too long');
  return undefined;
}

/** The first handshake message, which may come in several records. Copies nothing before it is whole. */
function handshakeMessage(bytes: Buffer): Buffer | undefined {
  const pieces: Buffer[] = [];
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const piece = recordAt(bytes, at);
    if (piece === undefined) return undefined;
    pieces.push(piece.part);
    length += piece.part.length;
    const wanted = length < MESSAGE_HEAD_BYTES ? undefined : messageBytes(pieces);
    if (wanted !== undefined && length >= wanted) {
      return Buffer.concat(pieces, length).subarray(MESSAGE_HEAD_BYTES, wanted);
    }
    if (pieces.length > MAX_RECORDS) throw notOne('it comes in too many pieces');
    at += RECORD_HEAD_BYTES + piece.size;
  }
  return undefined;
}

/** What has come of a record; undefined where that is not even its head. */
function recordAt(bytes: Buffer, at: number): { part: Buffer; size: number } | undefined {
  if (bytes[at] !== HANDSHAKE_RECORD) throw notOne('it does not begin with TLS');
  if (at + 1 < bytes.length && bytes[at + 1] !== 3) throw notOne('its version is unknown');
  if (at + RECORD_HEAD_BYTES > bytes.length) return undefined;
  const size = bytes.readUInt16BE(at + 3);
  if (size === 0 || size > MAX_RECORD_BYTES) throw notOne('a record has a length it cannot have');
  const from = at + RECORD_HEAD_BYTES;
  return { part: bytes.subarray(from, from + size), size };
}

/** How long the message is, with its head. */
function messageBytes(pieces: readonly Buffer[]): number {
  const head = Buffer.concat(
    pieces.map((piece) => piece.subarray(0, MESSAGE_HEAD_BYTES)),
    MESSAGE_HEAD_BYTES,
  );
  if (head[0] !== CLIENT_HELLO) throw notOne('its first message is another one');
  const bytes = MESSAGE_HEAD_BYTES + head.readUIntBE(1, 3);
  if (bytes > LIMITS.clientHelloBytes) throw notOne('it is too long');
  return bytes;
}

function parseMessage(fields: Fields): ClientHello {
  // legacy_version, random
  fields.skip(2 + 32);
  // legacy_session_id, cipher_suites, legacy_compression_methods
  fields.block(1);
  fields.block(2);
  fields.block(1);
  let name: string | undefined;
  let hasHiddenName = false;
  if (fields.isAtEnd) return { name, hasHiddenName };
  const extensions = new Fields(fields.block(2));
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const body = extensions.block(2);
    if (type === ENCRYPTED_CLIENT_HELLO) hasHiddenName = true;
    if (type !== SERVER_NAME) continue;
    if (name !== undefined) throw notOne('it names two servers');
    name = parseServerName(body);
  }
  return { name, hasHiddenName };
}

function parseServerName(body: Buffer): string {
  const names = new Fields(new Fields(body).block(2));
  const kind = names.number(1);
  const text = names.block(2).toString('latin1').toLowerCase();
  if (kind !== 0 || !names.isAtEnd || text.length > LIMITS.hostnameChars || !NAME.test(text)) {
    throw notOne('the name in it is not one');
  }
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

/** Bytes that are read from front to back. Throws TCP_HELLO at their end. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(count: number): void {
    this.#take(count);
  }

  number(size: 1 | 2): number {
    return this.#take(size).readUIntBE(0, size);
  }

  /** What follows its length. */
  block(lengthSize: 1 | 2): Buffer {
    return this.#take(this.number(lengthSize));
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw notOne('it is cut short');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

function notOne(why: string): PosternError {
  return new PosternError('TCP_HELLO', `Cannot read the ClientHello: ${why}`);
}
