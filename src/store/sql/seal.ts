/**
 * Encryption of what must be read again but not by who steals the database: private keys, tokens of identity providers.
 *
 * AES-256-GCM under a key in a file of its own beside the database, mode 0600. Every text is bound to the place it
 * belongs to, so that one row's value cannot be put into another. A backup needs both files.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';

import { hasCode, PosternError } from '../../core/error.ts';
import { newId } from '../../core/id.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Seal {
  readonly #key: Buffer;
  readonly #file: string;

  /** Reads the key, and makes it first where there is none. Throws what the file system throws, STORE_OPEN for a key that is none. */
  constructor(file: string) {
    this.#file = file;
    this.#key = readKey(file) ?? makeKey(file);
    if (this.#key.length === KEY_BYTES) return;
    const message = `Cannot open key file "${file}": it does not hold ${KEY_BYTES} bytes`;
    throw new PosternError('STORE_OPEN', message);
  }

  /** The value as JSON, encrypted for `place`. */
  close(place: string, value: unknown): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(place));
    const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url');
  }

  /** The value that was closed for `place`. STORE_FAILED for every other text. */
  open(place: string, sealed: string): unknown {
    const bytes = Buffer.from(sealed, 'base64url');
    const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES, HEAD_BYTES)];
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(place)).setAuthTag(tag);
      const text = decipher.update(bytes.subarray(HEAD_BYTES), undefined, 'utf8');
      return JSON.parse(text + decipher.final('utf8'));
    } catch (cause) {
      const why = `"${this.#file}" is not the key that it was encrypted with`;
      const message = `Cannot read ${place.split(' ', 1).join('')}: ${why}`;
      throw new PosternError('STORE_FAILED', message, { cause });
    }
  }
}

const HEAD_BYTES = NONCE_BYTES + TAG_BYTES;

function readKey(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Makes the key whole or not at all; of two processes that do this at once, both get the one that was first. */
function makeKey(file: string): Buffer {
  const draft = `${file}.${newId()}`;
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    fchmodSync(descriptor, 0o600);
    writeSync(descriptor, randomBytes(KEY_BYTES));
    fsyncSync(descriptor);
    linkSync(draft, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    closeSync(descriptor);
    unlinkSync(draft);
  }
  return readFileSync(file);
}
