/**
 * `originRequest.ipRules`: which addresses and ports the services `bastion` and `socks-proxy` may be asked for.
 *
 * Names and meaning are cloudflared's: the first rule that has the address and the port decides, and without one the answer
 * is no. Whether an address is one that a rule must name by itself is the connector's decision, not this module's.
 */
import type { z } from 'zod';
import { LIMITS } from '../../core/limits.ts';
import { parseIpRange, type IpRange } from '../access/ip-range.ts';
import { flag, list, mapping, parsed, wholeNumber } from '../field.ts';

/** One entry of the list. */
export interface IpRule {
  readonly range: IpRange;
  /** Empty: every port. */
  readonly ports: readonly number[];
  readonly allow: boolean;
}

/** The list as it is written. */
export const ipRulesSchema = list(
  mapping({
    prefix: parsed('a network such as 10.0.0.0/8', parseIpRange),
    ports: list(wholeNumber(1, 65_535))
      .max(LIMITS.ipRulePorts, {
        error: `is too long; name at most ${LIMITS.ipRulePorts} ports, or leave it out for all`,
      })
      .optional(),
    allow: flag().default(false),
  }),
).max(LIMITS.ipRules, { error: `is too long; write at most ${LIMITS.ipRules} rules` });

/** The rules that a list means. */
export function ipRules(written: z.output<typeof ipRulesSchema>): readonly IpRule[] {
  return written.map(({ prefix, ports = [], allow }) => ({ range: prefix, ports, allow }));
}
