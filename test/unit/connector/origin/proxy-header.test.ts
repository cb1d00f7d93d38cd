import { describe, expect, it } from '@jest/globals';
import { proxyHeader, type ProxyFacts } from '../../../../src/connector/origin/proxy-header.ts';

const FACTS: ProxyFacts = {
  client: { address: '192.0.2.7', port: 50_000 },
  origin: { address: '10.0.0.5', port: 443 },
  hostname: 'a.test',
  requestId: 'q1',
};
const V6 = { address: '2001:db8::7', port: 1 };

describe('proxyHeader() v1', () => {
  it.each<[string, ProxyFacts, string]>([
    ['IPv4', FACTS, 'TCP4 192.0.2.7 10.0.0.5 50000 443'],
    [
      'an IPv4 user in IPv6 notation',
      { ...FACTS, client: { address: '::ffff:192.0.2.7', port: 5 } },
      'TCP4 192.0.2.7 10.0.0.5 5 443',
    ],
    [
      'IPv6',
      { ...FACTS, client: V6, origin: { address: '::1', port: 80 } },
      'TCP6 2001:db8:0:0:0:0:0:7 0:0:0:0:0:0:0:1 1 80',
    ],
    [
      'an IPv6 user of an IPv4 origin',
      { ...FACTS, client: V6 },
      'TCP6 2001:db8:0:0:0:0:0:7 0:0:0:0:0:ffff:a00:5 1 443',
    ],
    [
      'an IPv4 user of an IPv6 origin',
      { ...FACTS, origin: V6 },
      'TCP6 0:0:0:0:0:ffff:c000:207 2001:db8:0:0:0:0:0:7 50000 1',
    ],
    [
      'an origin without an address',
      { ...FACTS, origin: undefined },
      'TCP4 192.0.2.7 0.0.0.0 50000 0',
    ],
    ['nobody', { ...FACTS, client: undefined }, 'UNKNOWN'],
    [
      'an address that is none',
      { ...FACTS, client: { address: '1.2.3.4 5.6.7.8 1 2\r\nX: y', port: 1 } },
      'UNKNOWN',
    ],
  ])('%s', (_what, facts, line) => {
    const header = proxyHeader('v1', facts);
    expect(header.toString('latin1')).toBe(`PROXY ${line}\r\n`);
    expect(header.length).toBeLessThanOrEqual(107);
  });
});

describe('proxyHeader() v2', () => {
  const SIGNATURE = '0d0a0d0a000d0a515549540a';

  it.each<[string, ProxyFacts, string]>([
    [
      // PROXY, TCP over IPv4, 26 bytes; the addresses; ports 50000 and 443; authority "a.test"; unique id "q1"
      'IPv4',
      FACTS,
      '21 11 001a c0000207 0a000005 c350 01bb 02 0006 612e74657374 05 0002 7131',
    ],
    [
      // PROXY, TCP over IPv6, 50 bytes; the user, and the origin as an IPv4 address in IPv6
      'an IPv6 user of an IPv4 origin',
      { ...FACTS, client: V6 },
      '21 21 0032 20010db8000000000000000000000007 00000000000000000000ffff0a000005 0001 01bb 02 0006 612e74657374 05 0002 7131',
    ],
    [
      // without an id
      'a stream without a request id',
      { ...FACTS, requestId: undefined },
      '21 11 0015 c0000207 0a000005 c350 01bb 02 0006 612e74657374',
    ],
    // LOCAL, unspecified, nothing
    ['nobody', { ...FACTS, client: undefined }, '20 00 0000'],
    ['an address that is none', { ...FACTS, client: { address: 'x', port: 1 } }, '20 00 0000'],
  ])('%s', (_what, facts, hex) => {
    expect(proxyHeader('v2', facts).toString('hex')).toBe(SIGNATURE + hex.replaceAll(' ', ''));
  });

  it('keeps an id within its 128 bytes', () => {
    const header = proxyHeader('v2', { ...FACTS, requestId: 'q'.repeat(200) });
    expect(header.toString('latin1').endsWith('q'.repeat(128))).toBe(true);
    expect(header.readUInt16BE(14)).toBe(header.length - 16);
  });
});
