/**
 * Who waits for a connector that has not come yet. design.md §4 "Two processes".
 *
 * A worker that just took over, or came after a crash, knows of no connector: they dial within moments. What comes for their
 * tunnels meanwhile waits, for a short time after the start and in a bounded number, and is then routed again; whatever is
 * wrong at the end of that time is told as ever. Nobody is asked while there is somebody to serve.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { codeOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import type { RouteTable } from './route-table.ts';

/** Somebody who waits. */
export interface Waiting {
  /** Asks for nothing any more. Safe to call twice, and afterwards. */
  release(): void;
}

export interface ArrivalsOptions {
  readonly clock: Clock;
  readonly routes: Pick<RouteTable, 'find'>;
  /** How many may wait. Default LIMITS.arrivalsAwaited. */
  readonly most?: number;
}

/** What a connector that comes may mend. */
const MENDED: ReadonlySet<string | undefined> = new Set(['ROUTE_NO_REPLICA', 'ROUTE_NO_RULE']);

export class Arrivals {
  readonly #clock: Clock;
  readonly #routes: Pick<RouteTable, 'find'>;
  readonly #most: number;
  /** By tunnel id. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #count = 0;
  #timer: Timer | undefined;
  #openedAt = 0;
  #closesAt = 0;

  constructor({ clock, routes, most = LIMITS.arrivalsAwaited }: ArrivalsOptions) {
    this.#clock = clock;
    this.#routes = routes;
    this.#most = most;
  }

  /** Whether connectors are still to be expected. */
  get isOpen(): boolean {
    return this.#timer !== undefined;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /** Connectors are to be expected from now on, for LIMITS.arrivalMs, and longer while they keep coming. */
  open(): void {
    this.#openedAt = this.#clock.now();
    this.#closeAt(this.#openedAt + LIMITS.arrivalMs);
  }

  /** One came: a gateway of thousands takes their handshakes one after the other, and more may be on their way. */
  joined(): void {
    if (!this.isOpen) return;
    const latest = this.#openedAt + LIMITS.arrivalMostMs;
    const at = Math.min(latest, this.#clock.now() + LIMITS.arrivalGapMs);
    if (at > this.#closesAt) this.#closeAt(at);
  }

  /** Waits no longer: everybody is called. Safe to call twice. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const tunnelId of this.#waiting.keys()) this.arrived(tunnelId);
  }

  /**
   * Calls `again` once it makes sense to route to a hostname again, whose routing failed with `error`: a connector of its
   * tunnel came or changed its rules, or the time is over. Undefined where waiting mends nothing, or too many do.
   */
  wait(error: unknown, hostname: string, again: () => void): Waiting | undefined {
    if (!this.isOpen || !MENDED.has(codeOf(error)) || this.#count >= this.#most) return undefined;
    const route = this.#routes.find(hostname);
    if (route === undefined) return undefined;
    const { tunnelId } = route;
    // Of its own: the same function may wait twice.
    const call = (): void => again();
    const ofTunnel = this.#waiting.get(tunnelId) ?? new Set();
    this.#waiting.set(tunnelId, ofTunnel.add(call));
    this.#count += 1;
    return { release: () => this.#release(tunnelId, ofTunnel, call) };
  }

  /** A connector of a tunnel came, or has other rules. */
  arrived(tunnelId: string): void {
    const ofTunnel = this.#waiting.get(tunnelId);
    if (ofTunnel === undefined) return;
    this.#waiting.delete(tunnelId);
    this.#count -= ofTunnel.size;
    // What is thrown then is a bug of whoever waits, and must not look like one of the link that came.
    queueMicrotask(() => {
      // Also whoever is released meanwhile is still in the set, or not.
      for (const call of ofTunnel) call();
    });
  }

  #closeAt(at: number): void {
    this.#timer?.cancel();
    this.#closesAt = at;
    this.#timer = this.#clock.after(at - this.#clock.now(), () => this.close());
  }

  #release(tunnelId: string, ofTunnel: Set<() => void>, call: () => void): void {
    if (!ofTunnel.delete(call) || this.#waiting.get(tunnelId) !== ofTunnel) return;
    this.#count -= 1;
    if (ofTunnel.size === 0) this.#waiting.delete(tunnelId);
  }
}
