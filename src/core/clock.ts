/**
 * Time as a value that is passed in, so that tests own it.
 *
 * Two clocks on purpose: `now()` never jumps and measures durations; `wall()` is what people read, and a jump between
 * the two is how a laptop learns that it slept.
 */
export interface Timer {
  /** Stops the timer. Safe to call twice and after it fired. */
  cancel(): void;
}

export interface Clock {
  /** Monotonic time, ms, with an arbitrary origin. */
  now(): number;
  /** Wall-clock time, ms since 1970. */
  wall(): number;
  /** Calls `callback` once after `delayMs`, at most 24 days. The timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

/** The longest delay that Node's timers know, ms: beyond 24.8 days they fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
