/**
 * The WebSockets that are live, for status, for the end of a drain and for revocation.
 *
 * Holds no socket longer than it lives. Who may stay is decided elsewhere.
 */
import type { PosternError } from '../../../core/error.ts';
import type { RequestRecord } from '../record/request-record.ts';
import type { LiveUpgrade } from './live-upgrade.ts';

/** Close status for a gateway that goes away: the user's program should connect again (RFC 6455 §7.4, IANA 1012). */
export const CLOSE_RESTART = 1012;

/** Close status for a WebSocket that is no longer allowed. */
export const CLOSE_REVOKED = 4401;

export class UpgradeRegistry {
  readonly #live = new Set<LiveUpgrade>();
  #onEmpty: (() => void)[] = [];

  get size(): number {
    return this.#live.size;
  }

  /** When the request came that began the oldest, as performance.now() counts; undefined without any. */
  get oldestSince(): number | undefined {
    const [oldest] = this.#live;
    return oldest?.record.times.startedAt;
  }

  /** The requests that began the live WebSockets. */
  *records(): Generator<RequestRecord> {
    for (const upgrade of this.#live) yield upgrade.record;
  }

  add(upgrade: LiveUpgrade): void {
    this.#live.add(upgrade);
  }

  remove(upgrade: LiveUpgrade): void {
    this.#live.delete(upgrade);
    if (this.#live.size > 0) return;
    for (const tell of this.#onEmpty.splice(0)) tell();
  }

  /** Resolves when none is left: of those that are closed, within two seconds. */
  async gone(): Promise<void> {
    if (this.#live.size === 0) return;
    await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  /**
   * Closes those that `picks` chooses, each with a Close frame of this status. Returns how many; they are gone within two
   * seconds.
   */
  close(
    status: number,
    error: PosternError,
    picks: (record: RequestRecord) => boolean = () => true,
  ): number {
    let count = 0;
    for (const upgrade of this.#live) {
      if (!picks(upgrade.record)) continue;
      upgrade.close(status, error);
      count += 1;
    }
    return count;
  }

  /** Ends all of them at once, without a Close frame. */
  destroy(): void {
    for (const upgrade of this.#live) upgrade.destroy();
  }
}
