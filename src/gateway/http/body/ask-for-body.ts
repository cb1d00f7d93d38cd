/**
 * A user who waits for `100 Continue` before the body (RFC 9110 §10.1.1): the origin decides whether it comes.
 *
 * An origin that says nothing for LIMITS.continueMs is taken for one that does not know of it: many only wait for the body.
 */
import { LIMITS } from '../../../core/limits.ts';
import { OriginConnection } from '../origin/origin-connection.ts';
import type { PooledConnection } from '../origin/http2-places.ts';
import type { UserResponse } from '../user/user-message.ts';

export interface WaitingBody {
  readonly connection: PooledConnection | undefined;
  readonly response: UserResponse | undefined;
  /** The user is to send it; called once at most. */
  readonly begin: () => void;
}

/** Asks the origin, and then the user. Not at all where the response comes first. */
export function askForBody({ connection, response, begin }: WaitingBody): void {
  let hasBegun = false;
  const go = (): void => {
    clearTimeout(timer);
    if (hasBegun || response?.headersSent === true || response?.destroyed === true) return;
    hasBegun = true;
    response?.writeContinue();
    begin();
  };
  const timer = setTimeout(go, LIMITS.continueMs);
  timer.unref();
  // An origin that speaks HTTP/2 gets the head by itself, and is not asked.
  if (connection instanceof OriginConnection) connection.sendHead(go);
  else go();
}
