/**
 * How much one address may ask of sign-in: a bucket of tokens for each, refilled with time.
 *
 * Beginning a sign-in costs a token, because it keeps a row, and so does every failure; what succeeds is free, so an office behind one
 * address is not held up. The map of buckets is bounded: when it is full, those that have been left alone the longest go, which can only
 * ever be kind to somebody.
 */
import { isIP } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';

interface Bucket {
  tokens: number;
  at: number;
}

export class AddressLimit {
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the address has a token left. */
  allows(address: string): boolean {
    return this.#bucket(address).tokens >= 1;
  }

  /** Takes a token; false when there was none. */
  charge(address: string): boolean {
    const bucket = this.#bucket(address);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  /** Buckets in memory, for tests. */
  get size(): number {
    return this.#buckets.size;
  }

  #bucket(address: string): Bucket {
    const key = addressKey(address);
    const now = this.#clock.now();
    const { signInBurst, signInPerSecond, signInAddresses } = LIMITS;
    const known = this.#buckets.get(key) ?? { tokens: signInBurst, at: now };
    known.tokens = Math.min(
      signInBurst,
      known.tokens + ((now - known.at) / 1000) * signInPerSecond,
    );
    known.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, known);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > signInAddresses && oldest !== undefined) this.#buckets.delete(oldest);
    return known;
  }
}

/** What counts as one address: an IPv6 user has a /64 to choose from. */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]?.split('::') ?? [];
  const groups = head.split(':').filter((group) => group !== '');
  const missing =
    8 - groups.length - (tail?.split(':').filter((group) => group !== '').length ?? 0);
  const full =
    tail === undefined
      ? groups
      : [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail.split(':')];
  return `${full
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
