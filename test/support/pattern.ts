/**
 * Bytes that tell their own position: a stream that loses, repeats or reorders even one is found out, and where.
 *
 * The bytes are AES-128-CTR of zeros under a zero key: never repeating, the same in every process (http-origin-process.js
 * serves them at /bytes), to be had from any offset, and made faster than a socket takes them.
 */
import { createCipheriv, createHash, type Cipher } from 'node:crypto';

const KEY = Buffer.alloc(16);
const ZEROS = Buffer.alloc(256 * 1024);

/** `length` bytes of the pattern from `offset` on. */
export function patternBytes(length: number, offset = 0): Buffer {
  const source = new PatternSource(offset);
  return source.next(length);
}

/** The SHA-256 of the first `length` bytes, in hex. */
export function patternSha256(length: number): string {
  const source = new PatternSource();
  const hash = createHash('sha256');
  for (let left = length; left > 0; left -= ZEROS.byteLength) {
    hash.update(source.next(Math.min(left, ZEROS.byteLength)));
  }
  return hash.digest('hex');
}

/** Hands out the pattern piece by piece. */
export class PatternSource {
  readonly #cipher: Cipher;

  constructor(offset = 0) {
    const counter = Buffer.alloc(16);
    counter.writeBigUInt64BE(BigInt(Math.floor(offset / 16)), 8);
    this.#cipher = createCipheriv('aes-128-ctr', KEY, counter);
    this.#cipher.update(ZEROS.subarray(0, offset % 16));
  }

  /** The next `length` bytes, in a buffer of their own. */
  next(length: number): Buffer {
    if (length <= ZEROS.byteLength) return this.#cipher.update(ZEROS.subarray(0, length));
    return this.#cipher.update(Buffer.alloc(length));
  }
}

/** Checks received bytes against the pattern. */
export class PatternCheck {
  readonly #source: PatternSource;
  readonly #offset: number;
  #bytes = 0;

  /** Expects the pattern from `offset` on. */
  constructor(offset = 0) {
    this.#source = new PatternSource(offset);
    this.#offset = offset;
  }

  /** How many bytes were received and right. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next received bytes. Throws at the first wrong one, naming its place in the pattern. */
  push(chunk: Uint8Array): void {
    const expected = this.#source.next(chunk.byteLength);
    if (expected.equals(chunk)) {
      this.#bytes += chunk.byteLength;
      return;
    }
    const wrong = expected.findIndex((byte, index) => byte !== chunk[index]);
    throw new Error(
      `Cannot accept byte ${this.#offset + this.#bytes + wrong}: it is not the one that was sent`,
    );
  }
}
