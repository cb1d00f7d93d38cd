/**
 * From the host of a rule to the addresses that may be dialled: resolved once, every address checked, and what was
 * checked is what gets dialled. A name is never looked up a second time between the check and the connection.
 *
 * One lookup per name is in flight; dials of the same name share its answer. A lookup cannot be called off, so this is
 * also what bounds them: no more than there are names in the rules.
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { codeOf, messageOf, PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { restrictionOf } from './address-policy.ts';
import { untilAborted } from './deadline.ts';
import { formatIpAddress, parseIpAddress, type IpAddress } from './ip-address.ts';

/** All addresses of a name, best first. Rejects as `dns.lookup` does. */
export type Lookup = (hostname: string) => Promise<readonly { readonly address: string }[]>;

export interface CheckedAddresses {
  /** At least one, best first, IP addresses as a socket takes them. */
  readonly addresses: readonly string[];
  /** What the name resolved to as well and must not be dialled, each with its reason, for the log. */
  readonly refused: readonly string[];
}

/** Why an address may not be dialled; undefined when it may. */
type Judge = (address: IpAddress) => string | undefined;

/** The system's resolver: /etc/hosts, mDNS and whatever else is set up there. */
const lookupAll: Lookup = (hostname) => systemLookup(hostname, { all: true, verbatim: true });

export class OriginResolver {
  readonly #lookup: Lookup;
  readonly #inFlight = new Map<string, ReturnType<Lookup>>();

  constructor(lookup: Lookup = lookupAll) {
    this.#lookup = lookup;
  }

  /**
   * The addresses of `host` that may be dialled. Throws ORIGIN_DNS, ORIGIN_FORBIDDEN when none may, and the reason of
   * `signal`. Only a host that is a plain IP address names a restricted address: no other way to write it does.
   */
  async resolve(host: string, signal: AbortSignal): Promise<CheckedAddresses> {
    const literal = parseIpAddress(host);
    if (literal === undefined) return check(host, await this.#lookUp(host, signal));
    const isNamed = isIP(host) !== 0 && restrictionOf(literal)?.isDisguised !== true;
    const address = isNamed ? host : formatIpAddress(literal);
    return isNamed ? { addresses: [address], refused: [] } : check(host, [{ address }]);
  }

  /**
   * The same for a host that a user chose: `refusalOf` judges every address, also one that is written as such. Throws as
   * resolve() does; an ORIGIN_FORBIDDEN tells the user nothing of the addresses, and the log all.
   */
  async resolveChosen(
    host: string,
    signal: AbortSignal,
    refusalOf: Judge,
  ): Promise<CheckedAddresses> {
    const literal = parseIpAddress(host);
    const answers = literal
      ? [{ address: formatIpAddress(literal) }]
      : await this.#lookUpChosen(host, signal);
    const { addresses, refused } = sift(answers, refusalOf);
    if (addresses.length > 0) return { addresses, refused };
    if (refused.length === 0) throw withoutAddress(host);
    throw notAllowed(host, refused.join(', '));
  }

  async #lookUpChosen(host: string, signal: AbortSignal): ReturnType<Lookup> {
    if (!this.#inFlight.has(host) && this.#inFlight.size >= LIMITS.originLookups) {
      const why = `${LIMITS.originLookups} other names are being resolved`;
      throw new PosternError('ORIGIN_DNS', `Cannot resolve "${host}": ${why}`);
    }
    return this.#lookUp(host, signal);
  }

  async #lookUp(host: string, signal: AbortSignal): ReturnType<Lookup> {
    let lookup = this.#inFlight.get(host);
    if (lookup === undefined) {
      lookup = this.#lookup(host).finally(() => this.#inFlight.delete(host));
      this.#inFlight.set(host, lookup);
    }
    try {
      return await untilAborted(lookup, signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new PosternError('ORIGIN_DNS', `Cannot resolve "${host}": ${explain(cause)}`, {
        cause,
      });
    }
  }
}

/** The error of a destination that no rule allows, whoever asks; `detail` is for the log alone. */
export function notAllowed(destination: string, detail: string): PosternError {
  const message = `Cannot dial "${destination}": the rules of the connector do not allow it`;
  return new PosternError('ORIGIN_FORBIDDEN', message, { cause: new Error(detail) });
}

function check(host: string, answers: Awaited<ReturnType<Lookup>>): CheckedAddresses {
  const { addresses, refused } = sift(answers, (address) => restrictionOf(address)?.reason);
  if (addresses.length > 0) return { addresses, refused };
  if (refused.length === 0) throw withoutAddress(host);
  throw new PosternError(
    'ORIGIN_FORBIDDEN',
    `Cannot dial "${host}": ${refused.join(', ')}; only a rule whose service names that address itself allows it`,
  );
}

function sift(
  answers: Awaited<ReturnType<Lookup>>,
  refusalOf: Judge,
): { readonly addresses: string[]; readonly refused: string[] } {
  const addresses: string[] = [];
  const refused: string[] = [];
  for (const { address } of answers.slice(0, LIMITS.originAddresses)) {
    const parsed = parseIpAddress(address);
    const reason = parsed === undefined ? 'not an address' : refusalOf(parsed);
    if (reason === undefined) addresses.push(address);
    else refused.push(`${address} is ${reason}`);
  }
  return { addresses, refused };
}

function withoutAddress(host: string): PosternError {
  return new PosternError('ORIGIN_DNS', `Cannot resolve "${host}": it has no addresses`);
}

function explain(cause: unknown): string {
  const code = codeOf(cause);
  if (code === 'ENOTFOUND') return 'no such name';
  if (code === 'EAI_AGAIN') return 'the DNS server does not answer';
  return messageOf(cause);
}
