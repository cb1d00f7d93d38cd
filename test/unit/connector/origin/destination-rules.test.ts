import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseIpRange } from '../../../../src/config/access/ip-range.ts';
import type { IpRule } from '../../../../src/config/connector/ip-rule.ts';
import { mayBeDialled, refusalOf } from '../../../../src/connector/origin/destination-rules.ts';
import { parseIpAddress } from '../../../../src/connector/origin/ip-address.ts';

type Written = readonly [prefix: string, allow: boolean, ...ports: number[]];

function rulesOf(...written: readonly Written[]): IpRule[] {
  return written.map(([prefix, allow, ...ports]) => ({
    range: parseIpRange(prefix),
    allow,
    ports,
  }));
}

function ask(rules: readonly IpRule[], address: string, port = 80): string | undefined {
  const parsed = parseIpAddress(address);
  if (parsed === undefined) throw new Error(`Cannot read the address ${address}`);
  return refusalOf(rules, parsed, port);
}

const EVERYTHING = rulesOf(['0.0.0.0/0', true], ['::/0', true]);

describe('refusalOf()', () => {
  it('refuses what no rule has, and everything without rules', () => {
    expect(ask([], '10.0.0.1')).toBe('in no rule');
    expect(ask(rulesOf(['10.0.0.0/8', true]), '11.0.0.1')).toBe('in no rule');
    expect(ask(rulesOf(['10.0.0.0/8', true]), '2001:db8::1')).toBe('in no rule');
  });

  it('goes by the first rule that has the address and the port', () => {
    const rules = rulesOf(
      ['10.0.9.0/24', false],
      ['10.0.0.0/8', true, 22, 5432],
      ['10.1.0.0/16', true, 80],
      ['0.0.0.0/0', false],
    );
    expect(ask(rules, '10.0.9.7', 22)).toBe('denied by 10.0.9.0/24');
    expect(ask(rules, '10.0.8.7', 22)).toBeUndefined();
    expect(ask(rules, '10.0.8.7', 80)).toBe('denied by 0.0.0.0/0');
    expect(ask(rules, '10.1.0.1', 80)).toBeUndefined();
  });

  it.each([
    ['127.0.0.1', 'an address of this machine'],
    ['127.8.8.8', 'an address of this machine'],
    ['::1', 'an address of this machine'],
    ['::ffff:127.0.0.1', 'an address of this machine in disguise'],
    ['::7f00:1', 'an address of this machine in disguise'],
    ['0.0.0.0', 'an unspecified address'],
    ['::', 'an unspecified address'],
    ['169.254.169.254', 'the cloud metadata address'],
    ['169.254.1.1', 'a link-local address'],
    ['fe80::1', 'a link-local address'],
    ['100.100.100.200', 'the metadata address of Alibaba Cloud'],
    ['fd00:ec2::254', 'a metadata address of AWS'],
    ['224.0.0.251', 'a multicast address'],
    ['ff02::fb', 'a multicast address'],
    ['255.255.255.255', 'a broadcast or reserved address'],
    ['2852039166', 'the cloud metadata address'],
    ['64:ff9b::a9fe:a9fe', 'the cloud metadata address in disguise'],
    ['2002:a9fe:a9fe::1', 'the cloud metadata address in disguise'],
  ])('K7 refuses %s although everything is allowed', (address, reason) => {
    expect(ask(EVERYTHING, address)).toBe(reason);
  });

  it.each([
    ['127.0.0.1', '127.0.0.1/32'],
    ['127.9.9.9', '127.0.0.0/8'],
    ['::1', '::1/128'],
    ['169.254.169.254', '169.254.169.254/32'],
    ['169.254.7.7', '169.254.0.0/16'],
    ['fe80::7', 'fe80::/10'],
    ['fd00:ec2::254', 'fd00:ec2::/32'],
  ])('allows %s to a rule that is for nothing else: %s', (address, prefix) => {
    expect(ask(rulesOf(['0.0.0.0/0', true], ['::/0', true], [prefix, true]), address)).toBe(
      undefined,
    );
    expect(ask(rulesOf([prefix, true, 22]), address, 80)).not.toBe(undefined);
    expect(ask(rulesOf([prefix, false], [prefix, true]), address)).toBe(`denied by ${prefix}`);
  });

  it.each(['0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1', '169.0.0.0/8', '224.0.0.0/3', '126.0.0.0/7'])(
    'takes %s for no rule about guarded addresses',
    (prefix) => {
      const rules = rulesOf([prefix, true]);
      expect(ask(rules, '127.0.0.1')).toBe('an address of this machine');
      expect(ask(rules, '169.254.169.254')).toBe('the cloud metadata address');
      expect(ask(rules, '239.1.1.1')).toBe('a multicast address');
    },
  );

  it('obeys a deny for guarded addresses however wide it is', () => {
    const rules = rulesOf(['0.0.0.0/0', false], ['127.0.0.1/32', true]);
    expect(ask(rules, '127.0.0.1')).toBe('denied by 0.0.0.0/0');
  });

  it('judges an IPv6 address with an IPv4 address inside as both', () => {
    const inside = rulesOf(['10.0.0.0/8', false], ['::/0', true], ['0.0.0.0/0', true]);
    expect(ask(inside, '64:ff9b::a00:1')).toBe('denied by 10.0.0.0/8');
    expect(ask(inside, '::ffff:10.0.0.1')).toBe('denied by 10.0.0.0/8');
    expect(ask(inside, '64:ff9b::b00:1')).toBeUndefined();
    expect(ask(rulesOf(['11.0.0.0/8', true]), '::ffff:11.0.0.1')).toBeUndefined();
    expect(ask(rulesOf(['11.0.0.0/8', true]), '64:ff9b::b00:1')).toBe('in no rule');
  });

  it('K7 lets nobody to a guarded address, whatever allows every network', () => {
    const wide = fc.constantFrom('0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/2', '160.0.0.0/4', '::/0');
    const guarded = fc.constantFrom('127.0.0.1', '169.254.169.254', '::1', 'fe80::1', '0.0.0.0');
    const asked = fc.tuple(
      fc.array(wide, { maxLength: 6 }),
      guarded,
      fc.integer({ min: 1, max: 65_535 }),
    );
    fc.assert(
      fc.property(asked, ([prefixes, address, port]) => {
        const rules = rulesOf(...prefixes.map((prefix) => [prefix, true] as const));
        return ask(rules, address, port) !== undefined;
      }),
    );
  });
});

describe('mayBeDialled()', () => {
  it('says whether any rule allows a port', () => {
    const rules = rulesOf(['10.0.0.0/8', true, 22], ['0.0.0.0/0', false]);
    expect(mayBeDialled(rules, 22)).toBe(true);
    expect(mayBeDialled(rules, 23)).toBe(false);
    expect(mayBeDialled(EVERYTHING, 23)).toBe(true);
    expect(mayBeDialled([], 22)).toBe(false);
  });
});
