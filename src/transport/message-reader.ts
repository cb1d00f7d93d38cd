/**
 * Reads frames out of the bytes of a WebSocket, ahead of `ws`: whole binary messages that need no unmasking (RFC 6455 §5.2).
 *
 * `ws` keeps every piece that a socket gives it and puts them together at the end: twice the memory of a message, 64 KiB at a
 * time, and V8 collects it all. Here a message is put together as it comes, out of bytes that are only lent, in memory that is used
 * again. Everything else, and everything that is against the rules, is left to `ws`: pings, closing, fragments, text, real masks.
 */
import { LIMITS } from '../core/limits.ts';
import { takeSlab } from '../protocol/slab.ts';

/** FIN and the opcode of a binary message. */
const FIN_BINARY = 0x82;
const FIN = 0x80;
const OPCODE = 0x0f;
const OPCODE_CONTINUATION = 0;
const OPCODE_CLOSE = 8;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** Two bytes, a length of eight and a mask of four. */
const LONGEST_HEADER_BYTES = 14;

/** Messages from this size on are put into memory that is used again. */
const BULK_BYTES = 32 * 1024;

/** The largest message that is read here: a DATA frame. Larger ones are refused by `ws`. */
const LARGEST_BYTES = LIMITS.frameBytes;

export interface MessageReaderEvents {
  /** A whole message. It belongs to the listener, who may give it back with giveBackSlab(). */
  onMessage(message: Buffer): void;
  /** Bytes for `ws`, in their place among the messages. They are only lent. */
  onOther(bytes: Buffer): void;
}

export class MessageReader {
  readonly #maskBit: number;
  readonly #events: MessageReaderEvents;
  readonly #header = Buffer.alloc(LONGEST_HEADER_BYTES);
  #headerHas = 0;
  /** The message under way, and how much of it is there. */
  #message: Buffer | undefined;
  #messageHas = 0;
  /** Bytes of the present frame that go to `ws`. */
  #otherBytes = 0;
  /** Whether `ws` is in the middle of a message of several frames. */
  #isFragmented = false;
  #isClosing = false;
  #isStopped = false;

  /** `isMasked`: whether the peer must mask what it sends, as a dialling side must. */
  constructor(isMasked: boolean, events: MessageReaderEvents) {
    this.#maskBit = isMasked ? MASKED : 0;
    this.#events = events;
  }

  /** Takes what was read. It is not kept. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.#isStopped) {
      if (this.#message !== undefined) at += this.#fill(this.#message, bytes, at);
      else if (this.#otherBytes > 0) at += this.#passOn(bytes, at);
      else at += this.#readHeader(bytes, at);
    }
  }

  /** Nothing more is wanted. */
  stop(): void {
    this.#isStopped = true;
    this.#message = undefined;
  }

  #fill(message: Buffer, bytes: Buffer, at: number): number {
    const part = bytes.subarray(at, at + message.length - this.#messageHas);
    message.set(part, this.#messageHas);
    this.#messageHas += part.length;
    if (this.#messageHas === message.length) {
      this.#message = undefined;
      this.#events.onMessage(message);
    }
    return part.length;
  }

  #passOn(bytes: Buffer, at: number): number {
    const part = bytes.subarray(at, at + this.#otherBytes);
    this.#otherBytes -= part.length;
    this.#events.onOther(part);
    // What follows a close message is nobody's.
    if (this.#otherBytes === 0 && this.#isClosing) this.stop();
    return part.length;
  }

  #readHeader(bytes: Buffer, at: number): number {
    const missing = headerBytes(this.#header, this.#headerHas) - this.#headerHas;
    const part = bytes.subarray(at, at + missing);
    this.#header.set(part, this.#headerHas);
    this.#headerHas += part.length;
    // The first two bytes tell how long the header is.
    if (this.#headerHas === headerBytes(this.#header, this.#headerHas)) this.#begin();
    return part.length;
  }

  /** The header is complete: here the frame begins. */
  #begin(): void {
    const header = this.#header.subarray(0, this.#headerHas);
    this.#headerHas = 0;
    const first = header[0] as number;
    const length = payloadBytes(header);
    const isWhole = first === FIN_BINARY && !this.#isFragmented;
    const hasSize = length > 0 && length <= LARGEST_BYTES;
    if (isWhole && hasSize && this.#hasNoMask(header)) {
      this.#message = length >= BULK_BYTES ? takeSlab(length) : Buffer.allocUnsafe(length);
      this.#messageHas = 0;
      return;
    }
    const opcode = first & OPCODE;
    if (opcode < OPCODE_CLOSE) {
      this.#isFragmented =
        (first & FIN) === 0 || (opcode !== OPCODE_CONTINUATION && this.#isFragmented);
    }
    this.#isClosing = opcode === OPCODE_CLOSE;
    this.#otherBytes = header.length + length;
    this.#passOn(header, 0);
  }

  /** Whether the header has the mask it must have, if any, and one that changes nothing. */
  #hasNoMask(header: Buffer): boolean {
    if (((header[1] as number) & MASKED) !== this.#maskBit) return false;
    return this.#maskBit === 0 || header.readUInt32BE(header.length - 4) === 0;
  }
}

/** How long a header is, as far as its first bytes tell: two of them, or all that those say. */
function headerBytes(header: Buffer, has: number): number {
  if (has < 2) return 2;
  const second = header[1] as number;
  const length = second & LENGTH;
  return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + ((second & MASKED) === 0 ? 0 : 4);
}

function payloadBytes(header: Buffer): number {
  const length = (header[1] as number) & LENGTH;
  if (length === 127) return header.readUInt32BE(2) * 2 ** 32 + header.readUInt32BE(6);
  return length === 126 ? header.readUInt16BE(2) : length;
}
