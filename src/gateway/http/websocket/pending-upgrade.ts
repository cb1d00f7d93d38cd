/**
 * A WebSocket that the origin has not answered yet, whatever carries it: a socket of HTTP/1.1 or a stream of HTTP/2.
 *
 * Only a shape. Until the answer nothing the user sends after the head is looked at or passed on (P13); any other answer
 * than 101 is an ordinary response, after which the user's side closes (P14).
 */
import type { Duplex } from 'node:stream';
import type { RequestRecord } from '../record/request-record.ts';
import type { UserResponse } from '../user/user-message.ts';
import type { LiveUpgrade } from './live-upgrade.ts';

export interface PendingUpgrade {
  /** Whether the user has left, or had an answer. */
  readonly isSettled: boolean;
  /** Called once when the user leaves before there is an answer. */
  onAbort: (() => void) | undefined;
  /** Called once when the request is over and no WebSocket came of it. */
  onEnd: (() => void) | undefined;
  /** Whether the user would take an ordinary answer with this status for a WebSocket. */
  looksAccepted(status: number): boolean;
  /** Why the origin's 101 cannot be passed on, if so. `fields` are names and values in turn. */
  problemWith(fields: readonly Buffer[]): string | undefined;
  /** The answer is not 101: where the response goes, and the last thing there. */
  respond(): UserResponse;
  /** The answer is 101, with these fields. Then everything flows. */
  accept(fields: readonly Buffer[], origin: Duplex, record: RequestRecord): LiveUpgrade;
}
