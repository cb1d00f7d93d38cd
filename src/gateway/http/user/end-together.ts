/**
 * Ends responses that became complete in the same turn of the event loop one right after the other.
 *
 * A write to somebody who sleeps has to wake them, which takes longer than the rest of it. Users who share a machine, a load
 * balancer for example, are still awake for the second response, if what else there is to do comes after the last one.
 */
import type { UserResponse } from './user-message.ts';

interface Ending {
  readonly response: UserResponse;
  /** The last of the body. */
  readonly chunk: Buffer | undefined;
}

/** No more than there are responses under way, and all gone before the turn is over. */
let endings: Ending[] = [];

/** Ends `response` before the turn is over, with `chunk` where that is not sent yet. It must not be written to any more. */
export function endTogether(response: UserResponse, chunk?: Buffer): void {
  if (endings.push({ response, chunk }) === 1) process.nextTick(endAll);
}

function endAll(): void {
  const all = endings;
  endings = [];
  for (const { response, chunk } of all) response.end(chunk);
}
