/**
 * Notices that nothing comes back while somebody waits for it: bytes were sent that the other endpoint has not acknowledged.
 *
 * An idle link may be dead for `deadPeerMs` and nobody minds. Somebody who types into one does, so it is asked earlier and,
 * for as long as it stays silent, not more often than every other second. See docs/protocol.md §8.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { LIMITS } from '../../core/limits.ts';

/** What is known of a link. */
interface WaitingLink {
  /** Bytes that its streams sent and that were not acknowledged. */
  readonly unacked: { readonly usedBytes: number };
  /** For how long nothing arrived, ms. */
  readonly silentMs: number;
}

export interface SilenceWatchOptions {
  /** The link that is up, if there is one. */
  readonly link: () => WaitingLink | undefined;
  /** Nothing came back for `silenceMs`: it may be dead. */
  readonly onSilence: () => void;
}

/** Looks every second, until cancelled. */
export function watchSilence(clock: Clock, { link, onSilence }: SilenceWatchOptions): Timer {
  let timer: Timer;
  const watch = (): void => {
    timer = clock.after(1_000, () => {
      watch();
      const now = link();
      if (now !== undefined && now.unacked.usedBytes > 0 && now.silentMs >= LIMITS.silenceMs) {
        onSilence();
      }
    });
  };
  watch();
  return { cancel: () => timer.cancel() };
}
