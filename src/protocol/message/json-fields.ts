/**
 * Checked reading of one JSON object from a peer. See docs/protocol.md §4.
 *
 * Every getter throws PROTO_BAD_CONTROL and names the key. Keys that nobody reads are ignored; inherited ones do not exist.
 */
import { PosternError } from '../../core/error.ts';

/** Longest string where the caller names no limit, characters. */
const MAX_TEXT = 1_024;

export class JsonFields {
  readonly #values: Readonly<Record<string, unknown>>;

  private constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** Reads the bytes of one JSON object. */
  static parse(json: Uint8Array): JsonFields {
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
    } catch (cause) {
      throw badControl('not JSON', cause);
    }
    return JsonFields.of(value, 'the message');
  }

  /** Reads a value that must be an object; `name` is what an error calls it. */
  static of(value: unknown, name: string): JsonFields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw badControl(`"${name}" is not an object`);
    }
    return new JsonFields(value as Record<string, unknown>);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#values);
  }

  text(key: string, limit = MAX_TEXT): string {
    const value = this.#own(key);
    if (typeof value !== 'string') throw badControl(`"${key}" is not a string`);
    if (value.length > limit) throw badControl(`"${key}" is longer than ${limit} characters`);
    return value;
  }

  optionalText(key: string, limit = MAX_TEXT): string | undefined {
    return this.has(key) ? this.text(key, limit) : undefined;
  }

  integer(key: string, limit: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#own(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw badControl(`"${key}" is not a whole number from 0`);
    }
    if (value > limit) throw badControl(`"${key}" is above ${limit}`);
    return value;
  }

  optionalInteger(key: string): number | undefined {
    return this.has(key) ? this.integer(key) : undefined;
  }

  boolean(key: string): boolean {
    const value = this.#own(key);
    if (typeof value !== 'boolean') throw badControl(`"${key}" is not true or false`);
    return value;
  }

  kind(key: string): 'http' | 'tcp' {
    const value = this.#own(key);
    if (value !== 'http' && value !== 'tcp') throw badControl(`"${key}" is not "http" or "tcp"`);
    return value;
  }

  list(key: string, limit: number): unknown[] {
    const value = this.#own(key);
    if (!Array.isArray(value)) throw badControl(`"${key}" is not a list`);
    if (value.length > limit) throw badControl(`"${key}" has more than ${limit} entries`);
    return value;
  }

  object(key: string): JsonFields {
    return JsonFields.of(this.#own(key), key);
  }

  #own(key: string): unknown {
    return this.has(key) ? this.#values[key] : undefined;
  }
}

/** The error of every malformed control message. */
export function badControl(why: string, cause?: unknown): PosternError {
  return new PosternError('PROTO_BAD_CONTROL', `Cannot take a control message: ${why}`, { cause });
}

/** A key of an object where there is a value for it, and nothing where there is none. */
export function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
