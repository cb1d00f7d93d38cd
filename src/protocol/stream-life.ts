/**
 * How long an endpoint keeps a stream that has no link, as a gateway on the way has told. See docs/protocol.md §6.
 */
import type { AcceptInfo } from './message/stream-opening.ts';

/** How long a stream may go on without a link. */
export interface StreamLife {
  /** For at most this long, ms; absent: as its keeper says. */
  readonly detachedMs?: number;
  /** Never after this, as the clock counts; absent: no such time. */
  readonly endsAt?: number;
}

/** The same from what a peer tells; `now` as the clock counts. */
export function lifeFrom(
  { detachedMs, endsMs }: Pick<AcceptInfo, 'detachedMs' | 'endsMs'>,
  now: number,
): StreamLife {
  return {
    ...(detachedMs !== undefined && { detachedMs }),
    ...(endsMs !== undefined && { endsAt: now + endsMs }),
  };
}
