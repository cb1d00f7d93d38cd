import { expect, it } from '@jest/globals';

import { AddressLimit, addressKey } from '../../../../src/access/sign-in/address-limit.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function spend(limit: AddressLimit, address: string, count: number): number {
  let allowed = 0;
  for (let at = 0; at < count; at += 1) if (limit.charge(address)) allowed += 1;
  return allowed;
}

it('lets a burst through, then so many a second, and others are unaffected', () => {
  const clock = new FakeClock();
  const limit = new AddressLimit(clock);
  expect(spend(limit, '192.0.2.1', 1_000)).toBe(LIMITS.signInBurst);
  expect(limit.allows('192.0.2.1')).toBe(false);
  expect(limit.allows('192.0.2.2')).toBe(true);
  clock.run(10_000);
  expect(spend(limit, '192.0.2.1', 1_000)).toBe(10 * LIMITS.signInPerSecond);
  clock.run(3_600_000);
  expect(spend(limit, '192.0.2.1', 1_000)).toBe(LIMITS.signInBurst);
});

it('remembers so many addresses at most, and forgets those it heard of the longest ago', () => {
  const limit = new AddressLimit(new FakeClock());
  spend(limit, 'victim', 1_000);
  for (let at = 0; at < LIMITS.signInAddresses - 1; at += 1)
    limit.charge(`198.51.${at >> 8}.${at}`);
  expect(limit.allows('victim')).toBe(false);
  for (let at = 0; at < 5_000; at += 1) limit.charge(`203.0.${at >> 8}.${at}`);
  expect(limit.size).toBe(LIMITS.signInAddresses);
});

it('counts an IPv6 network as one address', () => {
  const same = ['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:0DB8:0000:0001::'];
  expect(new Set(same.map(addressKey))).toEqual(new Set(['2001:db8:0:1::/64']));
  expect(addressKey('::1')).toBe('0:0:0:0::/64');
  expect(addressKey('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(addressKey('192.0.2.1')).toBe('192.0.2.1');
});
