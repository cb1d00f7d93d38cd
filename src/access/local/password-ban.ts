/**
 * Who has guessed too often: an address at one name, or an address at any (case A3).
 *
 * Never a name alone, or anybody could lock out the administrator who needs the account to break the glass. Bounded: when the map is
 * full, what was touched the longest ago goes.
 */
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { addressKey } from '../sign-in/address-limit.ts';

interface Failures {
  readonly times: readonly number[];
  readonly bannedUntil: number;
}

export class PasswordBan {
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isBanned(name: string, address: string): boolean {
    const now = this.#clock.now();
    return keysOf(name, address).some(
      ({ key }) => (this.#failures.get(key)?.bannedUntil ?? 0) > now,
    );
  }

  failed(name: string, address: string): void {
    const now = this.#clock.now();
    for (const { key, limit } of keysOf(name, address)) {
      const known = this.#failures.get(key);
      const recent = (known?.times ?? []).filter((at) => at > now - LIMITS.passwordFailureMs);
      const times = [...recent, now].slice(-limit);
      const isOver = times.length >= limit;
      const bannedUntil = isOver ? now + LIMITS.passwordBanMs : (known?.bannedUntil ?? 0);
      this.#failures.delete(key);
      this.#failures.set(key, { times: isOver ? [] : times, bannedUntil });
    }
    for (const [oldest] of this.#failures) {
      if (this.#failures.size <= LIMITS.passwordFailuresKept) break;
      this.#failures.delete(oldest);
    }
  }

  /** Forgets the failures at this name; those of the address at others stay. */
  succeeded(name: string, address: string): void {
    const [own] = keysOf(name, address);
    if (own !== undefined) this.#failures.delete(own.key);
  }

  /** Entries in memory, for tests. */
  get size(): number {
    return this.#failures.size;
  }
}

function keysOf(name: string, address: string) {
  const from = addressKey(address);
  return [
    { key: `${from} ${name}`, limit: LIMITS.passwordFailures },
    { key: from, limit: LIMITS.passwordFailuresOfAddress },
  ];
}
