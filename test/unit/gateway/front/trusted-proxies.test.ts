import type { Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import { LIMITS } from '../../../../src/core/limits.ts';
import { TrustedProxies, type Provenance } from '../../../../src/gateway/front/trusted-proxies.ts';

const TRUSTED = ['10.0.0.0/8', '2001:db8:1::/48'].map(parseIpRange);
const STRANGER = '203.0.113.66';

/** A request from `address` with these fields, names and values in turn; over TLS where the peer is known to have spoken it. */
function ask(
  address: string,
  rawHeaders: readonly string[],
  { proxies = new TrustedProxies(TRUSTED), isTls = false } = {},
): Provenance {
  const socket = { remoteAddress: address, remotePort: 7, ...(isTls && { encrypted: true }) };
  return proxies.provenanceOf({ socket: socket as unknown as Socket, rawHeaders });
}

const FOR = 'X-Forwarded-For';

describe('P18: who is believed about where a request comes from', () => {
  it.each([
    ['a stranger', new TrustedProxies(TRUSTED), STRANGER],
    ['anybody, where nobody is listed', new TrustedProxies(), '10.0.0.1'],
    ['a neighbour of IPv6', new TrustedProxies(TRUSTED), '2001:db8:2::1'],
  ])('is not %s', (_, proxies, address) => {
    const said = [FOR, '192.0.2.1', 'X-Forwarded-Proto', 'https'];
    expect(ask(address, said, { proxies })).toEqual({
      client: { address, port: 7 },
      forwardedFor: address,
      isTls: false,
    });
  });

  it.each([
    [['192.0.2.1'], '192.0.2.1', '192.0.2.1, 10.0.0.1'],
    [['192.0.2.1, 10.1.1.1'], '192.0.2.1', '192.0.2.1, 10.1.1.1, 10.0.0.1'],
    // What a stranger said of others is dropped.
    [['192.0.2.1, 203.0.113.66'], STRANGER, `${STRANGER}, 10.0.0.1`],
    [['10.9.9.9, 203.0.113.66,10.1.1.1'], STRANGER, `${STRANGER}, 10.1.1.1, 10.0.0.1`],
    [['192.0.2.1', '10.1.1.1'], '192.0.2.1', '192.0.2.1, 10.1.1.1, 10.0.0.1'],
    [['10.2.2.2'], '10.2.2.2', '10.2.2.2, 10.0.0.1'],
    [['2001:DB8:1::5'], '2001:db8:1::5', '2001:db8:1::5, 10.0.0.1'],
    [['[2001:db8:9::5]:4711'], '2001:db8:9::5', '2001:db8:9::5, 10.0.0.1'],
    [['192.0.2.1:4711'], '192.0.2.1', '192.0.2.1, 10.0.0.1'],
    [['::ffff:192.0.2.1'], '192.0.2.1', '192.0.2.1, 10.0.0.1'],
  ])('is a listed proxy: %j', (said, address, forwardedFor) => {
    const rawHeaders = said.flatMap((value) => ['x-forwarded-for', value]);
    expect(ask('10.0.0.1', rawHeaders)).toEqual({
      client: { address, port: 0 },
      forwardedFor,
      isTls: false,
    });
  });

  it.each(['', 'unknown', '_hidden', '192.0.2.1, unknown', '192.0.2.256', '"192.0.2.1"', 'a.b'])(
    'is the proxy itself where it names nobody: %j',
    (value) => {
      expect(ask('::ffff:10.0.0.1', [FOR, value])).toMatchObject({
        client: { address: '10.0.0.1', port: 7 },
        forwardedFor: '10.0.0.1',
      });
    },
  );

  it('ends after so many', () => {
    const many = Array.from({ length: 100 }, (_, at) => `10.0.1.${at}`);
    const { forwardedFor } = ask('10.0.0.1', [FOR, many.join(', ')]);
    expect(forwardedFor.split(', ')).toHaveLength(LIMITS.forwardedHops);
  });

  it.each([
    [['https'], true, false],
    [['HTTPS'], true, false],
    [['http'], false, true],
    [['http, https'], true, false],
    [['https', 'http'], false, true],
    [['gopher'], false, false],
    [['gopher'], true, true],
    [[], true, true],
  ])('and of whether it came over TLS: %j', (said, expected, isTls) => {
    const rawHeaders = said.flatMap((value) => ['X-Forwarded-Proto', value]);
    expect(ask('10.0.0.1', rawHeaders, { isTls }).isTls).toBe(expected);
    expect(ask(STRANGER, rawHeaders, { isTls }).isTls).toBe(isTls);
  });

  it('changes with the list', () => {
    const proxies = new TrustedProxies();
    proxies.set(TRUSTED);
    expect(ask('10.0.0.1', [FOR, '192.0.2.1'], { proxies }).client.address).toBe('192.0.2.1');
    proxies.set([]);
    expect(ask('10.0.0.1', [FOR, '192.0.2.1'], { proxies }).client.address).toBe('10.0.0.1');
  });
});
