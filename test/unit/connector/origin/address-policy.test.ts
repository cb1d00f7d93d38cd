import { describe, expect, it } from '@jest/globals';
import { restrictionOf } from '../../../../src/connector/origin/address-policy.ts';
import { parseIpAddress } from '../../../../src/connector/origin/ip-address.ts';

function restriction(text: string): ReturnType<typeof restrictionOf> {
  const address = parseIpAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return restrictionOf(address);
}

describe('restrictionOf()', () => {
  it.each([
    ['169.254.169.254', 'the cloud metadata address'],
    ['169.254.0.1', 'a link-local address'],
    ['169.254.170.2', 'a link-local address'],
    ['100.100.100.200', 'the metadata address of Alibaba Cloud'],
    ['168.63.129.16', 'the platform address of Azure'],
    ['192.0.0.192', 'the metadata address of Oracle Cloud'],
    ['0.0.0.0', 'an unspecified address'],
    ['0.1.2.3', 'an unspecified address'],
    ['224.0.0.1', 'a multicast address'],
    ['239.255.255.255', 'a multicast address'],
    ['240.0.0.1', 'a broadcast or reserved address'],
    ['255.255.255.255', 'a broadcast or reserved address'],
    ['2852039166', 'the cloud metadata address'],
    ['0xA9FEA9FE', 'the cloud metadata address'],
    ['0251.0376.0251.0376', 'the cloud metadata address'],
    ['::', 'an unspecified address'],
    ['fe80::1', 'a link-local address'],
    ['fe80::a9fe:a9fe%eth0', 'a link-local address'],
    ['febf:ffff::1', 'a link-local address'],
    ['ff02::1', 'a multicast address'],
    ['fd00:ec2::254', 'a metadata address of AWS'],
    ['fd00:ec2::23', 'a metadata address of AWS'],
    ['fd20:ce::254', 'the metadata address of Google Cloud'],
    ['fd00:42::42', 'the metadata address of Scaleway'],
    ['fd00:c1::a9fe:a9fe', 'the metadata address of Oracle Cloud'],
  ])('K7: %s is %s', (address, reason) => {
    expect(restriction(address)).toEqual({ reason, isDisguised: false });
  });

  it.each([
    ['IPv4-mapped', '::ffff:169.254.169.254'],
    ['IPv4-mapped in hex', '::ffff:a9fe:a9fe'],
    ['IPv4-compatible', '::169.254.169.254'],
    ['IPv4-translated', '::ffff:0:169.254.169.254'],
    ['NAT64', '64:ff9b::169.254.169.254'],
    ['local NAT64', '64:ff9b:1::169.254.169.254'],
    ['6to4', '2002:a9fe:a9fe::1'],
  ])('K7: sees the metadata address inside an %s address', (_form, address) => {
    expect(restriction(address)).toEqual({
      reason: 'the cloud metadata address',
      isDisguised: true,
    });
  });

  it.each([
    '127.0.0.1',
    '127.0.1.1',
    '10.0.0.5',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.253.255.255',
    '169.255.0.1',
    '223.255.255.255',
    '93.184.216.34',
    '::1',
    '::ffff:127.0.0.1',
    '64:ff9b::10.0.0.5',
    'fd00:ec3::254',
    'fd12:3456::1',
    'fec0::1',
    '2001:db8::a9fe:a9fe',
  ])('lets %s be dialled', (address) => {
    expect(restriction(address)).toBeUndefined();
  });
});
