/**
 * Notices that the machine slept: a laptop lid, a suspended VM, a stopped process.
 *
 * Its links are dead then, or will be taken for dead by the other side, and waiting for `deadPeerMs` to find out is a waste.
 * A wall clock that is set forward looks like sleep and costs a needless re-dial; one set back does not.
 */
import type { Clock, Timer } from '../../core/clock.ts';

export interface SleepWatchOptions {
  /** Time between two looks at the clock, ms. Default 2_000. */
  readonly intervalMs?: number;
  /** What a look may come late, or wall time gain on monotonic time, without being sleep, ms. Default 5_000. */
  readonly toleranceMs?: number;
}

const SLEEP_WATCH_DEFAULTS = {
  intervalMs: 2_000,
  toleranceMs: 5_000,
} as const satisfies Required<SleepWatchOptions>;

/** Calls `onWake` once after each sleep, until cancelled. */
export function watchSleep(
  clock: Clock,
  onWake: () => void,
  options: SleepWatchOptions = {},
): Timer {
  const { intervalMs, toleranceMs } = { ...SLEEP_WATCH_DEFAULTS, ...options };
  let timer: Timer;
  const watch = (): void => {
    const startedAt = clock.now();
    const startedWall = clock.wall();
    timer = clock.after(intervalMs, () => {
      // Monotonic time stops during suspend on Linux and goes on on other systems and in paused VMs.
      const elapsedMs = clock.now() - startedAt;
      const elapsedWallMs = clock.wall() - startedWall;
      watch();
      const sleptMs = Math.max(elapsedMs - intervalMs, elapsedWallMs - elapsedMs);
      if (sleptMs > toleranceMs) onWake();
    });
  };
  watch();
  // Not the timer itself: it is another one after each look.
  return { cancel: () => timer.cancel() };
}
