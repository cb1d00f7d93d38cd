/**
 * How many origin dials are under way at once. A dial that nobody answers holds a socket for as long as
 * `connectTimeout` says, so whoever may open streams could otherwise fill the process with them.
 *
 * Each rule has a lane with its own share, so that one dead origin cannot take the places of the others; lanes that
 * wait take turns. What waits is bounded too. The gate knows nothing about dialling.
 */
import { PosternError } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';

export interface DialGateLimits {
  /** Dials under way in the process. */
  readonly dials: number;
  /** Dials under way of one lane. */
  readonly dialsPerLane: number;
  /** Dials of one lane that wait for a place. */
  readonly waitingPerLane: number;
}

export const DIAL_GATE_DEFAULTS = {
  dials: LIMITS.originDials,
  dialsPerLane: LIMITS.originDialsPerRule,
  waitingPerLane: LIMITS.originDialsWaitingPerRule,
} as const satisfies DialGateLimits;

interface Lane {
  active: number;
  /** In the order of arrival; a Set, because the ones in the middle may give up. */
  readonly waiting: Set<() => void>;
}

export class DialGate {
  readonly #limits: DialGateLimits;
  /** Only lanes with something under way or waiting; iteration order is whose turn it is. */
  readonly #lanes = new Map<string, Lane>();
  #active = 0;

  constructor(limits: DialGateLimits = DIAL_GATE_DEFAULTS) {
    this.#limits = limits;
  }

  /** Dials under way, for metrics. */
  get active(): number {
    return this.#active;
  }

  /**
   * Runs `dial` as soon as `lane` has a place. Throws ORIGIN_UNREACHABLE when too many wait already, and the signal's
   * reason when it aborts while waiting.
   */
  async run<T>(lane: string, signal: AbortSignal, dial: () => Promise<T>): Promise<T> {
    await this.#enter(lane, signal);
    try {
      return await dial();
    } finally {
      this.#leave(lane);
    }
  }

  async #enter(name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const lane = this.#lanes.get(name) ?? { active: 0, waiting: new Set() };
    this.#lanes.set(name, lane);
    if (this.#hasPlace(lane)) {
      this.#take(lane);
      return;
    }
    if (lane.waiting.size >= this.#limits.waitingPerLane) {
      throw new PosternError(
        'ORIGIN_UNREACHABLE',
        `Cannot dial the origin: ${lane.waiting.size} dials of its rule wait already, which is the limit`,
      );
    }
    await this.#wait(name, lane, signal);
  }

  /** Resolves with the place already taken. */
  #wait(name: string, lane: Lane, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        lane.waiting.delete(enter);
        this.#forget(name, lane);
        reject(signal.reason);
      };
      lane.waiting.add(enter);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  #leave(name: string): void {
    const lane = this.#lanes.get(name);
    if (lane === undefined) return;
    lane.active -= 1;
    this.#active -= 1;
    this.#forget(name, lane);
    this.#admitNext();
  }

  #admitNext(): void {
    for (const [name, lane] of this.#lanes) {
      const [enter] = lane.waiting;
      if (enter === undefined || !this.#hasPlace(lane)) continue;
      lane.waiting.delete(enter);
      this.#take(lane);
      // To the end of the map: the next place goes to another lane.
      this.#lanes.delete(name);
      this.#lanes.set(name, lane);
      enter();
      return;
    }
  }

  #hasPlace(lane: Lane): boolean {
    return this.#active < this.#limits.dials && lane.active < this.#limits.dialsPerLane;
  }

  #take(lane: Lane): void {
    lane.active += 1;
    this.#active += 1;
  }

  #forget(name: string, lane: Lane): void {
    if (lane.active === 0 && lane.waiting.size === 0) this.#lanes.delete(name);
  }
}
