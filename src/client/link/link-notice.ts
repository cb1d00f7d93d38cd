/**
 * Tells whoever sits at the terminal that the gateway is away, but only when it lasts: a pause of a second is nobody's
 * business, and a line in the middle of an editor is.
 */
import type { Clock, Timer } from '../../core/clock.ts';

/** How long the link may be away before a word is said, ms. */
const LASTING_MS = 3_000;

export class LinkNotice {
  readonly #clock: Clock;
  readonly #say: (sentence: string) => void;
  #timer: Timer | undefined;
  #isSaid = false;

  constructor(clock: Clock, say: (sentence: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  /** The link broke, or is back. */
  onState(state: 'up' | 'down'): void {
    this.#timer?.cancel();
    if (state === 'down') {
      this.#timer = this.#clock.after(LASTING_MS, () => {
        this.#isSaid = true;
        this.#say('the gateway is away; what is open goes on when it is back');
      });
    } else if (this.#isSaid) {
      this.#isSaid = false;
      this.#say('the gateway is back');
    }
  }

  /** Says nothing more. */
  stop(): void {
    this.#timer?.cancel();
  }
}
