import { describe, expect, it } from '@jest/globals';

import { unmappedAddress } from '../../../src/core/unmapped-address.ts';

describe('unmappedAddress()', () => {
  it.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::ffff:1', '2001:db8::ffff:1'],
    ['::ffff:c000:201', '::ffff:c000:201'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['', ''],
  ])('of %j is %j', (address, plain) => {
    expect(unmappedAddress(address)).toBe(plain);
  });
});
