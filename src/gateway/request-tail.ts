/**
 * Tells those who watch a tunnel of its requests, as they end. Costs nothing while nobody does.
 *
 * The number of those who watch is bounded. What they do with what they are told is their affair: a listener must not wait.
 */
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import type { RequestSummary } from './http/record/request-record.ts';

/** Told of each request of a tunnel. */
export type TailListener = (summary: RequestSummary) => void;

export class RequestTail {
  readonly #watchers = new Set<{ readonly tunnelId: string; readonly listener: TailListener }>();
  readonly #tunnelOf: (hostname: string) => string | undefined;

  /** @param tunnelOf Which tunnel a hostname is routed to: also for requests that never got there. */
  constructor(tunnelOf: (hostname: string) => string | undefined) {
    this.#tunnelOf = tunnelOf;
  }

  /** Calls `listener` from now on; the result ends it. Throws ADMIN_BUSY when too many watch already. */
  watch(tunnelId: string, listener: TailListener): () => void {
    if (this.#watchers.size >= LIMITS.tailReaders) {
      const message = `Cannot watch the tunnel: ${LIMITS.tailReaders} others watch already`;
      throw new PosternError('ADMIN_BUSY', message);
    }
    const watcher = { tunnelId, listener };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** A request has ended. */
  tell(summary: RequestSummary): void {
    if (this.#watchers.size === 0) return;
    const tunnelId = summary.tunnelId ?? this.#tunnelOf(summary.hostname);
    for (const watcher of this.#watchers) {
      if (watcher.tunnelId === tunnelId) watcher.listener(summary);
    }
  }
}
