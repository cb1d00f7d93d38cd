/**
 * Whether an address that a user chose may be dialled, by the `ipRules` of the rule (services `bastion` and `socks-proxy`).
 *
 * The first rule that has the address and the port decides; without one the answer is no. Addresses that reach further than
 * the network does (this machine itself, link-local, cloud metadata…) are only allowed by a rule that is for nothing else:
 * `0.0.0.0/0` is not meant for them. An address with an IPv4 address inside must be allowed as both. Pure.
 */
import { isInRange, type IpRange } from '../../config/access/ip-range.ts';
import type { IpRule } from '../../config/connector/ip-rule.ts';
import { embeddedAddress, restrictionOf } from './address-policy.ts';
import { formatIpAddress, type IpAddress } from './ip-address.ts';

/** Why `address` may not be dialled; undefined when it may. Completes "10.0.0.1 is …". */
export function refusalOf(
  rules: readonly IpRule[],
  address: IpAddress,
  port: number,
): string | undefined {
  const inside = embeddedAddress(address);
  if (inside !== undefined) {
    const guard = guardOf(inside);
    if (guard !== undefined) return `${guard} in disguise`;
    const refusal = refusalOf(rules, inside, port);
    if (refusal !== undefined) return refusal;
  }
  const text = formatIpAddress(address);
  const guard = guardOf(address);
  const rule = rules.find(
    ({ range, ports, allow }) =>
      (ports.length === 0 || ports.includes(port)) &&
      isInRange(range, text) &&
      // What allows everything says nothing about these.
      (guard === undefined || !allow || isNamedBy(range)),
  );
  if (rule === undefined) return guard ?? 'in no rule';
  return rule.allow ? undefined : `denied by ${rule.range.text}`;
}

/** Whether any address may be dialled at this port: else no name need be looked up. */
export function mayBeDialled(rules: readonly IpRule[], port: number): boolean {
  return rules.some(({ ports, allow }) => allow && (ports.length === 0 || ports.includes(port)));
}

function guardOf(address: IpAddress): string | undefined {
  const restriction = restrictionOf(address);
  if (restriction !== undefined && !restriction.isDisguised) return restriction.reason;
  return isThisMachine(address) ? 'an address of this machine' : undefined;
}

function isThisMachine(address: IpAddress): boolean {
  if (address.family === 4) return address.value >>> 24 === 127;
  return address.groups.every((group, at) => group === (at === 7 ? 1 : 0));
}

/** Each kind of guarded address is one block, so a network that begins and ends in it has nothing else. */
function isNamedBy(range: IpRange): boolean {
  const [first, last] = [endOf(range, 0), endOf(range, 0xff)];
  return guardOf(first) !== undefined && guardOf(first) === guardOf(last);
}

/** The first address of a network, or the last: the bits behind the prefix are those of `fill`. */
function endOf({ bytes, prefix, family }: IpRange, fill: number): IpAddress {
  const filled = bytes.map((byte, at) => {
    const free = 0xff >> Math.min(8, Math.max(0, prefix - at * 8));
    return byte | (free & fill);
  });
  const pairs = filled.flatMap((byte, at) =>
    at % 2 === 0 ? [byte * 256 + (filled[at + 1] ?? 0)] : [],
  );
  if (family === 6) return { family, groups: pairs };
  const [high = 0, low = 0] = pairs;
  return { family, value: high * 0x1_0000 + low };
}
