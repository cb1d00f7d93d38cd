import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { CountryDatabase } from '../../../../src/access/policy/country-database.ts';
import { countryFile } from '../../../support/country-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const ENTRIES = [
  { network: '192.0.2.0/24', value: { country: { iso_code: 'DE' } } },
  { network: '198.51.100.128/25', value: { country: { iso_code: 'fr' } } },
  { network: '203.0.113.0/24', value: { registered_country: { iso_code: 'US' } } },
  { network: '2001:db8::/32', value: { country: { iso_code: 'AT' } } },
  { network: '2001:db9::/32', value: { country: { iso_code: 7 } } },
];

function file(bytes: Buffer): string {
  const name = join(tempDir('countries'), 'countries.mmdb');
  writeFileSync(name, bytes);
  return name;
}

describe('CountryDatabase', () => {
  let database: CountryDatabase;

  beforeAll(async () => {
    database = await CountryDatabase.open(file(countryFile(ENTRIES)));
  });

  it.each([
    ['192.0.2.1', 'DE'],
    ['192.0.3.1', undefined],
    ['198.51.100.200', 'FR'],
    ['198.51.100.1', undefined],
    ['2001:db8::1', 'AT'],
    ['2001:DB8:0:0:0:0:0:1', 'AT'],
    ['::ffff:192.0.2.1', 'DE'],
    ['::ffff:c000:201', 'DE'],
    ['10.0.0.1', undefined],
    ['fe80::1%eth0', undefined],
    ['::', undefined],
    ['office', undefined],
    ['192.0.2', undefined],
    ['192.0.2.1.5', undefined],
    ['', undefined],
  ])('says of %j: %j', (address, country) => {
    expect(database.countryOf(address)).toBe(country);
  });

  it('says nothing where the database has something else than a country', () => {
    expect(database.countryOf('203.0.113.1')).toBeUndefined();
    expect(database.countryOf('2001:db9::1')).toBeUndefined();
  });

  it('does not look for IPv6 addresses in a database of IPv4 addresses', async () => {
    const entries = [{ network: '32.1.13.0/24', value: { country: { iso_code: 'DE' } } }];
    const small = await CountryDatabase.open(file(countryFile(entries, 4)));
    expect(small.countryOf('32.1.13.184')).toBe('DE');
    // The first bytes of this address are 32.1.13.184.
    expect(small.countryOf('2001:db8::1')).toBeUndefined();
  });

  it('knows nothing of addresses whose place in the file is damaged', async () => {
    const bytes = countryFile(ENTRIES);
    // The value of 192.0.2.0/24 begins behind the tree and its separator; an unknown type is put there.
    const at = bytes.indexOf(Buffer.alloc(16)) + 16;
    bytes.fill(0x00, at, at + 40);
    const damaged = await CountryDatabase.open(file(bytes));
    for (const [address] of [['192.0.2.1'], ['198.51.100.200'], ['2001:db8::1']] as const) {
      expect(() => damaged.countryOf(address)).not.toThrow();
    }
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('country,iso\n')],
    ['half of one', countryFile(ENTRIES).subarray(0, 400)],
    ['metadata that is cut', countryFile(ENTRIES).subarray(0, -40)],
  ])('refuses a file with %s', async (_, bytes) => {
    await expect(CountryDatabase.open(file(bytes))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('is not a MaxMind database'),
    });
  });

  it('refuses a file that is not there', async () => {
    const name = join(tempDir('countries'), 'missing.mmdb');
    await expect(CountryDatabase.open(name)).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' });
  });
});
