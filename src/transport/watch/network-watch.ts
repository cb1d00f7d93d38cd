/**
 * Notices that this machine's addresses changed: another Wi-Fi, a cable, a VPN, a new lease.
 *
 * A connection from an address that is gone is dead, and nobody tells it: the kernel goes on sending from that address for a
 * quarter of an hour. Node cannot listen for such changes, so the list of interfaces is looked at every second, which costs
 * some 50 µs. A network that is left and joined again within a second, with the same address, is not noticed here.
 */
import { networkInterfaces } from 'node:os';
import type { Clock, Timer } from '../../core/clock.ts';
import { unmappedAddress } from '../../core/unmapped-address.ts';

/** What became of this machine's addresses between two looks. */
export interface NetworkChange {
  /** Those that it has no more. */
  readonly gone: ReadonlySet<string>;
}

export interface NetworkWatchOptions {
  /** Time between two looks, ms. Default 1_000. */
  readonly intervalMs?: number;
  /** All addresses of this machine, without zones. May throw when they are not known. Default: those of the system. */
  readonly addresses?: () => Iterable<string>;
}

const NETWORK_WATCH_DEFAULTS = {
  intervalMs: 1_000,
  addresses: ownAddresses,
} as const satisfies Required<NetworkWatchOptions>;

/** Calls `onChange` after each change of this machine's addresses, until cancelled. */
export function watchNetwork(
  clock: Clock,
  onChange: (change: NetworkChange) => void,
  options: NetworkWatchOptions = {},
): Timer {
  const { intervalMs, addresses } = { ...NETWORK_WATCH_DEFAULTS, ...options };
  let known = look(addresses);
  let timer: Timer;
  const watch = (): void => {
    timer = clock.after(intervalMs, () => {
      watch();
      const before = known;
      // Where they cannot be read nothing is known to have changed.
      known = look(addresses) ?? before;
      if (before !== undefined && known !== undefined) tell(before, known, onChange);
    });
  };
  watch();
  // Not the timer itself: it is another one after each look.
  return { cancel: () => timer.cancel() };
}

/** An address as sockets and interfaces both write it. */
export function plainAddress(address: string): string {
  return unmappedAddress(address).replace(/%.*$/, '');
}

function tell(
  before: ReadonlySet<string>,
  now: ReadonlySet<string>,
  onChange: (change: NetworkChange) => void,
): void {
  const gone = new Set([...before].filter((address) => !now.has(address)));
  const isNew = [...now].some((address) => !before.has(address));
  if (gone.size > 0 || isNew) onChange({ gone });
}

function look(addresses: () => Iterable<string>): ReadonlySet<string> | undefined {
  try {
    return new Set([...addresses()].map(plainAddress));
  } catch {
    return undefined;
  }
}

function ownAddresses(): string[] {
  const interfaces = Object.values(networkInterfaces());
  return interfaces.flatMap((list = []) => list.map(({ address }) => address));
}
