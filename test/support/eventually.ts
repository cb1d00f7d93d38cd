/**
 * Waiting for a condition with a deadline, where no event says that it came true.
 *
 * Not a sleep: it returns as soon as the condition holds, and says what was seen last when it never does.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Give up after this long, in ms. Default 20_000: less than Jest gives a test, whose message would say nothing. */
  readonly deadlineMs?: number;
  /** Time between two looks, in ms. Default 20. */
  readonly everyMs?: number;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

export const EVENTUALLY_DEFAULTS = {
  deadlineMs: 20_000,
  everyMs: 20,
  what: 'the condition',
} as const satisfies Required<EventuallyOptions>;

/**
 * The first result of `probe` that is neither a throw nor `false`. A probe of `expect` calls works as well as one that
 * returns a boolean. Rejects at the deadline, also when the probe itself never settles.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<T> {
  const { deadlineMs, everyMs, what } = { ...EVENTUALLY_DEFAULTS, ...options };
  const end = performance.now() + deadlineMs;
  let last: unknown;
  while (true) {
    try {
      const result = await within(end - performance.now(), probe);
      if (result !== false) return result;
      last = new Error('it was false');
    } catch (error) {
      // A look that took too long says less than the one before it.
      if (error !== UNSETTLED) last = error;
    }
    if (performance.now() >= end) {
      const cause = last ?? UNSETTLED;
      const seen = String(Reflect.get(Object(cause), 'message') ?? cause);
      throw new Error(`Cannot wait for ${what}: not so after ${deadlineMs} ms; last: ${seen}`, {
        cause,
      });
    }
    await delay(Math.max(0, Math.min(everyMs, end - performance.now())));
  }
}

/** Waits until `measure` gives the same number twice, `everyMs` apart: nothing moves any more. */
export async function untilStill(
  measure: () => number,
  options: EventuallyOptions & Required<Pick<EventuallyOptions, 'everyMs'>>,
): Promise<void> {
  let before: number | undefined;
  await eventually(() => {
    const now = measure();
    const isStill = now === before;
    before = now;
    return isStill;
  }, options);
}

const UNSETTLED = new Error('the probe did not settle');

async function within<T>(limitMs: number, probe: () => T | Promise<T>): Promise<T> {
  const abort = new AbortController();
  const late = delay(Math.max(1, limitMs), undefined, { signal: abort.signal }).then((): never => {
    throw UNSETTLED;
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([probe(), late]);
  } finally {
    abort.abort();
  }
}
