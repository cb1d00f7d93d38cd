import { describe, expect, it } from '@jest/globals';
import { formatIpAddress, parseIpAddress } from '../../../../src/connector/origin/ip-address.ts';

function normal(text: string): string | undefined {
  const address = parseIpAddress(text);
  return address && formatIpAddress(address);
}

describe('parseIpAddress()', () => {
  it.each([
    ['169.254.169.254', '169.254.169.254'],
    ['2852039166', '169.254.169.254'],
    ['0xA9FEA9FE', '169.254.169.254'],
    ['0xa9.0xfe.0xa9.0xfe', '169.254.169.254'],
    ['0251.0376.0251.0376', '169.254.169.254'],
    ['169.254.43518', '169.254.169.254'],
    ['169.16689662', '169.254.169.254'],
    ['169.254.169.254.', '169.254.169.254'],
    ['127.1', '127.0.0.1'],
    ['0', '0.0.0.0'],
    ['0x', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['[::1]', '0:0:0:0:0:0:0:1'],
    ['1::', '1:0:0:0:0:0:0:0'],
    ['FE80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['fd00:ec2:0::254', 'fd00:ec2:0:0:0:0:0:254'],
    ['::ffff:169.254.169.254', '0:0:0:0:0:ffff:a9fe:a9fe'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('reads %s as %s', (text, expected) => {
    expect(normal(text)).toBe(expected);
  });

  it.each([
    'localhost',
    'example.com',
    'cafe',
    'dead.beef.example',
    '256.1.1.1',
    '1.2.3.4.5',
    '4294967296',
    '',
  ])('leaves %j to the resolver', (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });
});
