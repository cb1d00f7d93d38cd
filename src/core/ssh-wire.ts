/**
 * The data types of SSH (RFC 4251 §5), for keys and certificates: those that the gateway signs and those that the client
 * makes meet on this format.
 *
 * Integers are big-endian. Reading never trusts a length: what does not fit is an error with a code, never a copy of
 * something else.
 */
import { PosternError } from './error.ts';

/** An integer of 32 bits. */
export function sshUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An integer of 64 bits. */
export function sshUint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** A string: its length in 32 bits, then its bytes; text as UTF-8. */
export function sshString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([sshUint32(bytes.length), bytes]);
}

/** Reads strings from the front of what it was given. */
export class SshReader {
  #rest: Buffer;

  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }

  /** What has not been read yet. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** The next string. ACCESS_SSH_KEY when the bytes end before it does. */
  string(): Buffer {
    const length = this.#rest.length < 4 ? Infinity : this.#rest.readUInt32BE(0);
    if (length > this.#rest.length - 4) {
      throw new PosternError('ACCESS_SSH_KEY', 'Cannot read the SSH key: it is cut off');
    }
    const value = this.#rest.subarray(4, 4 + length);
    this.#rest = this.#rest.subarray(4 + length);
    return value;
  }
}
