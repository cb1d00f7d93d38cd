/**
 * Waiting for a lock that another process holds, without blocking this one.
 *
 * A database's own busy time-out sleeps inside the call and would stop every stream of the gateway meanwhile. So it
 * is kept short, and the waiting is done here.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { PosternError } from '../../core/error.ts';
import type { DatabaseFaults } from './faults.ts';

export interface BusyWait {
  /** How long to go on trying, ms. */
  readonly waitMs: number;
  readonly faults: DatabaseFaults;
}

/** A pause between two attempts, ms: short beside a person, long beside a transaction. */
const PAUSE_MS = 10;

/**
 * Runs `attempt` until it does not meet a lock. `attempt` must leave nothing behind when it fails.
 * Throws STORE_BUSY ("Cannot <action>: …") when the time is over, and every other error as it is.
 */
export async function retryBusy<T>(
  action: string,
  { waitMs, faults }: BusyWait,
  attempt: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (!faults.isBusy(cause)) throw cause;
      if (performance.now() >= deadline) {
        const message = `Cannot ${action}: another process kept the database locked for ${waitMs} ms`;
        throw new PosternError('STORE_BUSY', message, { cause });
      }
    }
    // Jitter, or two processes that met once would meet again.
    await delay(PAUSE_MS * (0.5 + Math.random()));
  }
}
