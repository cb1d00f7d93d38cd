import { setTimeout as delay } from 'node:timers/promises';

/** `promise`, or a rejection saying that `what` took longer than `ms`. The work itself is not stopped. */
export async function withDeadline(promise, ms, what) {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(
    () => {
      throw new Error(`${what} took longer than ${ms} ms`);
    },
    () => undefined,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Calls `condition` every 20 ms until it is true; rejects with what `describe` says when `ms` have passed. */
export async function until(condition, ms, describe) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${describe()} within ${ms} ms`);
    await delay(20);
  }
}
