/**
 * Requests at a connector whose links are all gone: its streams wait to be resumed, and that may take as long as a restart.
 *
 * Those that may be made twice go to another replica, after a moment in which links usually come back, and later on as soon
 * as one joins. Owns the waiting only: what may be made twice is decided by whoever has the requests.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';

/** A ConnectedReplica, as far as it matters here. */
interface Stranded {
  readonly id: string;
  readonly linkCount: number;
  readonly tunnel: { readonly id: string };
}

export interface StrandedRequestsOptions {
  readonly clock: Clock;
  /** The replicas of a tunnel, those without links too. */
  readonly replicasOf: (tunnelId: string) => readonly Stranded[];
  /** Has the requests of a replica go elsewhere, where they may and there is somewhere. */
  readonly leave: (replicaId: string) => void;
}

export class StrandedRequests {
  readonly #options: StrandedRequestsOptions;
  /** Replicas that lost their last link a moment ago, by id. */
  readonly #moments = new Map<string, Timer>();

  constructor(options: StrandedRequestsOptions) {
    this.#options = options;
  }

  /** The last link of a replica is gone. */
  left({ id }: Stranded): void {
    const { clock, leave } = this.#options;
    this.#moments.get(id)?.cancel();
    const timer = clock.after(LIMITS.strandedMs, () => {
      this.#moments.delete(id);
      leave(id);
    });
    this.#moments.set(id, timer);
  }

  /** A replica has a first link again: what is on it goes on, and what waits for others of its tunnel may go there. */
  joined({ id, tunnel }: Stranded): void {
    const { replicasOf, leave } = this.#options;
    this.#moments.get(id)?.cancel();
    this.#moments.delete(id);
    for (const other of replicasOf(tunnel.id)) {
      if (other.linkCount === 0 && !this.#moments.has(other.id)) leave(other.id);
    }
  }

  /** Waits for nothing any more. Safe to call twice. */
  close(): void {
    for (const timer of this.#moments.values()) timer.cancel();
    this.#moments.clear();
  }
}
