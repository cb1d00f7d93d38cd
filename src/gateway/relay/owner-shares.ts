/**
 * What one user's clients may take of a gateway that relays for many: streams, OPENs and bytes that wait. docs/protocol.md §9.
 *
 * Without it somebody with a tunnel of their own, whose connector never reads, fills what all relays have together, and
 * everybody else's streams attach again and again. An owner stands for all links and sessions of one person or machine;
 * nobody in particular is told apart by address.
 */
import type { Clock } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';
import { ByteBudget } from '../../protocol/byte-budget.ts';
import { RateLimit } from '../../protocol/rate-limit.ts';

/** One owner's. */
export interface OwnerShare<Watched> {
  /** Bytes of theirs that wait: a part of what waits in all relays. */
  readonly budget: ByteBudget;
  /** Streams of theirs that are relayed now. Counted by whoever relays them. */
  streams: number;
  /** Streams of theirs that are watched while they are detached, longest first. */
  readonly watched: Set<Watched>;
  /** Whether they may open one more now; counts it. */
  mayOpen(): boolean;
}

export class OwnerShares<Watched> {
  readonly #clock: Clock;
  readonly #all: ByteBudget;
  readonly #bytes: number;
  /** Those that were last used come last. */
  readonly #shares = new Map<string, OwnerShare<Watched>>();

  /** `all` is for all owners together, of which each has at most `bytes`. */
  constructor(clock: Clock, all: ByteBudget, bytes: number = LIMITS.relayBytesPerOwner) {
    this.#clock = clock;
    this.#all = all;
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#shares.size;
  }

  /** The share of an owner, whoever of their clients asks. Whoever changes it must not keep it for longer than a stream. */
  of(owner: string): OwnerShare<Watched> {
    const known = this.#shares.get(owner) ?? this.#create();
    this.#shares.delete(owner);
    this.#shares.set(owner, known);
    if (this.#shares.size > LIMITS.relayOwners) this.#dropIdle();
    return known;
  }

  #create(): OwnerShare<Watched> {
    const opens = new RateLimit(LIMITS.opensPerOwner, LIMITS.streamsPerOwner);
    return {
      budget: new ByteBudget(this.#bytes, this.#all),
      streams: 0,
      watched: new Set(),
      mayOpen: () => opens.take(this.#clock.now()),
    };
  }

  /** Forgets whoever has had nothing for longest. There are fewer links than owners, so some have nothing. */
  #dropIdle(): void {
    for (const [owner, { streams, watched }] of this.#shares) {
      if (streams > 0 || watched.size > 0) continue;
      this.#shares.delete(owner);
      return;
    }
  }
}
