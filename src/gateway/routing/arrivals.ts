/**
 * Who waits for a connector that has not come yet, or is away for a moment. design.md §4 "Two processes".
 *
 * A worker that just took over, or came after a crash, knows of no connector: they dial within moments. One whose links all
 * broke is dialling again, or is being started again. What comes for their tunnels meanwhile waits, for a short time and in
 * a bounded number, and is then routed again; whatever is wrong at the end of that time is told as ever. Nobody is asked
 * while there is somebody to serve.
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
  /** Of these, how many for a tunnel whose connector broke off. Default LIMITS.returnsAwaited. */
  readonly mostOfTunnel?: number;
}

/** What a connector that comes may mend. */
const MENDED: ReadonlySet<string | undefined> = new Set(['ROUTE_NO_REPLICA', 'ROUTE_NO_RULE']);

export class Arrivals {
  readonly #clock: Clock;
  readonly #routes: Pick<RouteTable, 'find'>;
  readonly #most: number;
  readonly #mostOfTunnel: number;
  /** By tunnel id. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Tunnels whose connector broke off a moment ago, by id: until then it is expected back. The longest known first. */
  readonly #returns = new Map<string, Timer>();
  #count = 0;
  #timer: Timer | undefined;
  #openedAt = 0;
  #closesAt = 0;

  constructor(options: ArrivalsOptions) {
    const { most = LIMITS.arrivalsAwaited, mostOfTunnel = LIMITS.returnsAwaited } = options;
    this.#clock = options.clock;
    this.#routes = options.routes;
    this.#most = most;
    this.#mostOfTunnel = mostOfTunnel;
  }

  /** Whether connectors of any tunnel are still to be expected. */
  get isOpen(): boolean {
    return this.#timer !== undefined;
  }

  /** Whether a connector of this tunnel is to be expected. */
  expects(tunnelId: string): boolean {
    return this.isOpen || this.#returns.has(tunnelId);
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

  /** All links of a connector broke, and it said nothing of leaving: it is expected back for LIMITS.returnMs. */
  brokeOff(tunnelId: string): void {
    this.#forgetReturn(tunnelId);
    const [longest] = this.#returns.keys();
    if (this.#returns.size >= LIMITS.returningTunnels && longest !== undefined) this.gone(longest);
    const timer = this.#clock.after(LIMITS.returnMs, () => this.gone(tunnelId));
    this.#returns.set(tunnelId, timer);
  }

  /** No connector of this tunnel is expected back any more. */
  gone(tunnelId: string): void {
    if (this.#forgetReturn(tunnelId) && !this.isOpen) this.arrived(tunnelId);
  }

  /**
   * A connector of this tunnel came: it is no longer missed. A gateway of thousands takes their handshakes one after the
   * other, and more may be on their way.
   */
  joined(tunnelId: string): void {
    this.#forgetReturn(tunnelId);
    this.arrived(tunnelId);
    if (!this.isOpen) return;
    const latest = this.#openedAt + LIMITS.arrivalMostMs;
    const at = Math.min(latest, this.#clock.now() + LIMITS.arrivalGapMs);
    if (at > this.#closesAt) this.#closeAt(at);
  }

  /** Waits no longer: everybody is called. Safe to call twice. */
  close(): void {
    for (const timer of this.#returns.values()) timer.cancel();
    this.#returns.clear();
    this.#closeStart();
  }

  /**
   * Calls `again` once it makes sense to route to a hostname again, whose routing failed with `error`: a connector of its
   * tunnel came or changed its rules, or the time is over. Undefined where waiting mends nothing, or too many do.
   */
  wait(error: unknown, hostname: string, again: () => void): Waiting | undefined {
    if (!MENDED.has(codeOf(error)) || this.#count >= this.#most) return undefined;
    const route = this.#routes.find(hostname);
    if (route === undefined) return undefined;
    const { tunnelId } = route;
    const ofTunnel = this.#waiting.get(tunnelId) ?? new Set();
    if (!this.isOpen) {
      // Who knows other rules than the others is missed by nobody for long: somebody is here, and says that there is nothing.
      const isMissed = codeOf(error) === 'ROUTE_NO_REPLICA' && this.#returns.has(tunnelId);
      if (!isMissed || ofTunnel.size >= this.#mostOfTunnel) return undefined;
    }
    // Of its own: the same function may wait twice.
    const call = (): void => again();
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
    this.#timer = this.#clock.after(at - this.#clock.now(), () => this.#closeStart());
  }

  /** The time after the start is over: only those wait on whose connector broke off since. */
  #closeStart(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const tunnelId of this.#waiting.keys()) {
      if (!this.#returns.has(tunnelId)) this.arrived(tunnelId);
    }
  }

  #forgetReturn(tunnelId: string): boolean {
    this.#returns.get(tunnelId)?.cancel();
    return this.#returns.delete(tunnelId);
  }

  #release(tunnelId: string, ofTunnel: Set<() => void>, call: () => void): void {
    if (!ofTunnel.delete(call) || this.#waiting.get(tunnelId) !== ofTunnel) return;
    this.#count -= 1;
    if (ofTunnel.size === 0) this.#waiting.delete(tunnelId);
  }
}
