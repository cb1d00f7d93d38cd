/**
 * What a stream asks of the table that keeps it: to be attached, and memory that all streams of a process share.
 *
 * `resumable-opener.ts` keeps those that this side opened, `stream-accepter.ts` those of peers.
 */
import type { ByteBudget } from './byte-budget.ts';
import type { Stream } from './stream.ts';

/** What the table that keeps the stream is told. */
export interface StreamKeeper {
  /** The slot is gone and the stream is not: find another. */
  onDetached(stream: Stream, because: 'link-closed' | 'moved' | 'cut'): void;
  /** The stream ended. Unless `isTold`, the other endpoint must still learn it by RESET. */
  onEnded(stream: Stream, isTold: boolean): void;
  /** The RESET of an ended stream was answered, or the link ended before it was. */
  onResetSettled(stream: Stream, isAnswered: boolean): void;
}

/** What the streams of a process may hold together. */
export interface StreamBudgets {
  /** Unacknowledged bytes of the process. */
  readonly unacked: ByteBudget;
  /** Granted windows of the process. */
  readonly windows: ByteBudget;
}

/** Counts payload bytes as the applications write and receive them; a replay counts once. */
export interface StreamMeter {
  sent(bytes: number): void;
  received(bytes: number): void;
}
