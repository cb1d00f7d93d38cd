/**
 * The drain of a connector: who was told, and what is still waited for. docs/protocol.md §13.
 *
 * It ends nothing itself. Streams that a gateway opened before it heard of the drain are served, because their users were
 * promised a connector; and a gateway that goes away itself knows no connector but those it has, so its links stay.
 */
import { systemClock } from '../core/clock.ts';
import type { Link } from '../protocol/link.ts';
import type { DrainedLinks } from './drained-links.ts';
import { settleLink } from './settle-link.ts';
import { waitWhile } from './wait-while.ts';

export interface ReplicaDrainOptions {
  /** What gateways are told. */
  readonly reason: string;
  /** Links whose gateway asked us to leave. */
  readonly drainedLinks: DrainedLinks;
  readonly streamCount: () => number;
  /** It need not be waited for any more. */
  readonly isStopped: () => boolean;
}

export class ReplicaDrain {
  readonly #options: ReplicaDrainOptions;
  /** When it is over at the latest, as the clock counts, once there is one. */
  #deadline: number | undefined;
  /** Links on which it was told. */
  readonly #toldLinks = new WeakSet<Link>();
  /** Links whose gateway may not have heard of it yet. */
  #unsettledLinks = 0;

  constructor(options: ReplicaDrainOptions) {
    this.#options = options;
  }

  get hasBegun(): boolean {
    return this.#deadline !== undefined;
  }

  /** Begins it, or lets it take less: `graceMs` from now at most. */
  begin(graceMs: number): void {
    const deadline = systemClock.now() + graceMs;
    this.#deadline = Math.min(deadline, this.#deadline ?? deadline);
  }

  /** Has the gateway of a link open no more streams there. */
  tell(link: Link): void {
    const leftMs = Math.max(0, (this.#deadline ?? 0) - systemClock.now());
    const graceMs = Math.min(Math.round(leftMs), Number.MAX_SAFE_INTEGER);
    this.#toldLinks.add(link);
    link.sendControl({ type: 'drain', reason: this.#options.reason, dialAgainMs: 0, graceMs });
    this.#unsettledLinks += 1;
    const settled = (): void => void (this.#unsettledLinks -= 1);
    settleLink(link).then(settled, settled);
  }

  /** Resolves when every stream has ended that anybody was promised, or the time is over. */
  async streamsEnded(): Promise<void> {
    const { drainedLinks, streamCount, isStopped } = this.#options;
    const isNeeded = (): boolean =>
      [...drainedLinks].some(({ link }) => !this.#toldLinks.has(link));
    const isBusy = (): boolean => streamCount() > 0 || this.#unsettledLinks > 0 || isNeeded();
    // Looked at each time: a second request may have brought it forward.
    const isLate = (): boolean => systemClock.now() >= (this.#deadline ?? 0);
    await waitWhile(() => isBusy() && !isLate() && !isStopped());
  }
}
