/**
 * Runs of connectors that are known to be dead: the one that came after named them when it registered. docs/protocol.md §4
 * `replaces`.
 *
 * Kept by tunnel, so that a connector can say nothing about the runs of another tunnel. What is forgotten here costs somebody a wait:
 * their stream ends when it was detached for too long.
 */
import { LIMITS } from '../../core/limits.ts';

export class DeadRuns {
  /** By tunnel id, the longest known first; so are the ids of each. */
  readonly #tunnels = new Map<string, Set<string>>();
  readonly #most: { readonly tunnels: number; readonly runs: number };

  /** `most` is for tests. */
  constructor(most?: { readonly tunnels: number; readonly runs: number }) {
    this.#most = most ?? { tunnels: LIMITS.deadRunTunnels, runs: LIMITS.deadRuns };
  }

  /** A run of this tunnel is dead. */
  add(tunnelId: string, run: string): void {
    const runs = this.#tunnels.get(tunnelId) ?? new Set();
    this.#tunnels.delete(tunnelId);
    this.#tunnels.set(tunnelId, runs.add(run));
    dropOldest(runs, this.#most.runs);
    dropOldest(this.#tunnels, this.#most.tunnels);
  }

  /** It is not: it has registered again. */
  remove(tunnelId: string, run: string): void {
    this.#tunnels.get(tunnelId)?.delete(run);
  }

  has(tunnelId: string, run: string): boolean {
    return this.#tunnels.get(tunnelId)?.has(run) === true;
  }
}

function dropOldest(kept: Map<string, unknown> | Set<string>, most: number): void {
  const [oldest] = kept.keys();
  if (kept.size > most && oldest !== undefined) kept.delete(oldest);
}
