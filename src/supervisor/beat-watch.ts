/**
 * Finds workers whose event loop does not turn. They say every `LIMITS.workerBeatMs` that it does; one that is silent for
 * `LIMITS.workerHungMs` hangs, unless this process did not run either: a machine that slept, a terminal that stopped both.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { LIMITS } from '../core/limits.ts';

/** Who says that it is alive. */
export interface Beating {
  /** When it was last heard of, on the monotonic clock, ms. */
  lastBeat: number;
}

export interface BeatWatchOptions<W extends Beating> {
  readonly clock: Clock;
  /** Who has to be heard of. */
  workers(): readonly W[];
  onHung(worker: W): void;
  /** Called at each look: all but those that hang are alive, and so are we. */
  onLook(): void;
}

/** Starts watching; the result ends it. */
export function watchBeats<W extends Beating>(options: BeatWatchOptions<W>): Timer {
  const { clock } = options;
  let timer: Timer;
  let lastNow = clock.now();
  let lastWall = clock.wall();
  const look = (): void => {
    const now = clock.now();
    const wall = clock.wall();
    // The monotonic clock does not run while the machine sleeps.
    const passedMs = Math.max(now - lastNow, wall - lastWall);
    [lastNow, lastWall] = [now, wall];
    const slept = passedMs > 2 * LIMITS.workerBeatMs;
    for (const worker of options.workers()) {
      if (slept) worker.lastBeat = now;
      else if (now - worker.lastBeat >= LIMITS.workerHungMs) options.onHung(worker);
    }
    options.onLook();
    timer = clock.after(LIMITS.workerBeatMs, look);
  };
  timer = clock.after(LIMITS.workerBeatMs, look);
  return { cancel: () => timer.cancel() };
}
