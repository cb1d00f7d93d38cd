/**
 * Countries of IP addresses, from a MaxMind database file that the operator has. Read once: the file may change under us.
 *
 * Nothing is downloaded and nothing is asked of anybody. The file is the operator's, but a damaged one must not take a
 * request down, so every lookup that fails is an address of which nothing is known.
 */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { Reader, type CountryResponse } from 'mmdb-lib';
import { plainAddress } from '../../config/access/ip-range.ts';
import { messageOf, PosternError } from '../../core/error.ts';

/** The country of an address. */
export class CountryDatabase {
  readonly #reader: Reader<CountryResponse>;

  private constructor(reader: Reader<CountryResponse>) {
    this.#reader = reader;
  }

  /** Reads a database. Throws CONFIG_UNREADABLE, and CONFIG_INVALID for a file that is none. */
  static async open(file: string): Promise<CountryDatabase> {
    let bytes: Buffer;
    try {
      bytes = await readFile(file);
    } catch (cause) {
      const text = `Cannot read country database "${file}": ${messageOf(cause)}`;
      throw new PosternError('CONFIG_UNREADABLE', text, { cause });
    }
    try {
      return new CountryDatabase(new Reader<CountryResponse>(bytes));
    } catch (cause) {
      const text = `Cannot use country database "${file}": it is not a MaxMind database (.mmdb)`;
      throw new PosternError('CONFIG_INVALID', text, { cause });
    }
  }

  /** ISO 3166, upper case; undefined where nothing is known. Takes any notation, IPv4 written as IPv6 too. */
  countryOf(address: string): string | undefined {
    const plain = plainAddress(address);
    // A tree of IPv4 addresses would be walked with the front of an IPv6 address.
    if (plain === undefined || (isIPv6(plain) && this.#reader.metadata.ipVersion === 4)) {
      return undefined;
    }
    try {
      const code: unknown = this.#reader.get(plain)?.country?.iso_code;
      return typeof code === 'string' ? code.toUpperCase() : undefined;
    } catch {
      return undefined;
    }
  }
}
