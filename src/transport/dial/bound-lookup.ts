/**
 * Name resolution for dials, with a bound on how many lookups wait at once.
 *
 * The system's resolver cannot be interrupted: a dial that gives up leaves its lookup behind, on one of the two threads Node
 * has for them. While DNS hangs, four links that keep trying would queue lookups for as long as the outage lasts.
 */
import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { codeOf, messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { failedDial, type DialParties } from './dial-error.ts';

let pending = 0;

/** A lookup for one dial. Its failures are LINK_DNS, or LINK_PROXY where it is the proxy that has to be found. */
export function boundLookup(
  parties: DialParties,
  lookup: LookupFunction = systemLookup,
): LookupFunction {
  const code = parties.proxy === undefined ? 'LINK_DNS' : 'LINK_PROXY';
  return (hostname, options, callback) => {
    if (pending >= LIMITS.pendingLookups) {
      const why = `${pending} earlier lookups of names have had no answer yet`;
      process.nextTick(callback, failedDial(code, parties, why), '');
      return;
    }
    pending += 1;
    lookup(hostname, options, (cause, address, family) => {
      pending -= 1;
      if (cause === null) return callback(null, address, family);
      const why = `the name "${hostname}" does not resolve (${codeOf(cause) ?? messageOf(cause)})`;
      callback(failedDial(code, parties, why, cause), address, family);
    });
  };
}
