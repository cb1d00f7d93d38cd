/**
 * Tells whoever sits at the terminal what their streams wait for, but only when it lasts: a pause of a second is nobody's
 * business, and a line in the middle of an editor is. Says also how long they will wait, and when it is over.
 *
 * Why a stream ended is not told here: its command prints that, with its code.
 */
import type { Clock, Timer } from '../../core/clock.ts';
import { formatDuration } from '../../core/duration.ts';
import type { LinkTrouble } from './gateway-link.ts';

/** How long it must last before a word is said, ms. */
const LASTING_MS = 3_000;
const SIGNED_OUT = 'the session of this client has ended; sign in again, and start it anew';

/** Time between two looks, ms. */
const LOOK_MS = 500;

export interface TroubleWatchOptions {
  readonly trouble: () => LinkTrouble | undefined;
  readonly say: (sentence: string) => void;
}

/** Looks now and then, until cancelled. */
export function watchTrouble(clock: Clock, { trouble, say }: TroubleWatchOptions): Timer {
  let timer: Timer;
  let now:
    { readonly away: LinkTrouble['away']; readonly since: number; isSaid: boolean } | undefined;
  const look = (): void => {
    const found = trouble();
    if (now !== undefined && found?.away !== now.away) {
      if (now.isSaid) say(`the ${now.away} is back after ${seconds(clock.now() - now.since)}`);
      now = undefined;
    }
    if (found !== undefined) {
      now ??= { away: found.away, since: clock.now(), isSaid: false };
      if (!now.isSaid && clock.now() - now.since >= LASTING_MS) {
        now.isSaid = true;
        say(describe(found));
      }
    }
    timer = clock.after(LOOK_MS, look);
  };
  look();
  // Not the timer itself: it is another one after each look.
  return { cancel: () => timer.cancel() };
}

function describe(trouble: LinkTrouble): string {
  const { count, leftMs } = trouble.waiting;
  const rest = count === 0 ? 'dialling on' : `what is open waits for it, ${seconds(leftMs)} more`;
  if (trouble.away === 'gateway') {
    // It is there, and will not have us: nothing waits any more.
    if (trouble.why?.code === 'ACCESS_SIGN_IN') return SIGNED_OUT;
    const why = trouble.why === undefined ? '' : ` (${trouble.why.code}: ${trouble.why.message})`;
    return `the gateway is away; ${rest}${why}`;
  }
  const [first = '', ...others] = trouble.hostnames;
  const more = others.length === 0 ? '' : ` and of ${others.length} more`;
  return `the connector of "${first}"${more} is away; ${rest}`;
}

/** Nobody counts milliseconds here. */
function seconds(ms: number): string {
  return formatDuration(Math.max(1, Math.round(ms / 1_000)) * 1_000);
}
