/** What a load keeps count of: moves and pauses of each of its users, bytes, successes, failures. */
import type { Failure, LoadKind, LoadReport } from './load.ts';

/** Failures kept; a load that fails more often has made its point. */
const KEPT_FAILURES = 1_000;

export class Tally {
  readonly kind: LoadKind;
  readonly moves: number[];
  readonly #lastAt: (number | undefined)[];
  readonly #failures: Failure[] = [];
  readonly #counts: Record<string, number> = {};
  #done = 0;
  #bytes = 0;
  #longestPauseMs = 0;

  constructor(kind: LoadKind, users: number) {
    this.kind = kind;
    this.moves = Array.from({ length: users }, () => 0);
    this.#lastAt = this.moves.map(() => undefined);
  }

  /** Something arrived at a user, or came from one. */
  moved(user: number, bytes: number): void {
    const now = performance.now();
    const last = this.#lastAt[user];
    if (last !== undefined) this.#longestPauseMs = Math.max(this.#longestPauseMs, now - last);
    this.#lastAt[user] = now;
    this.moves[user] = (this.moves[user] ?? 0) + 1;
    this.#bytes += bytes;
  }

  /** One thing went as it should. */
  succeeded(): void {
    this.#done += 1;
  }

  failed(failure: Omit<Failure, 'kind' | 'failedAt'>): void {
    if (this.#failures.length === KEPT_FAILURES) return;
    this.#failures.push({ ...failure, kind: this.kind, failedAt: performance.now() });
  }

  count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  takeLongestPause(): number {
    const longest = Math.round(this.#longestPauseMs);
    this.#longestPauseMs = 0;
    return longest;
  }

  get report(): LoadReport {
    return {
      kind: this.kind,
      done: this.#done,
      bytes: this.#bytes,
      counts: this.#counts,
      failures: this.#failures,
    };
  }
}
