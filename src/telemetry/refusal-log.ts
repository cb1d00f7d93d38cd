/**
 * Lines about those who are refused, so many and no more: a scanner writes thousands a second, and a disk has an end.
 *
 * In each minute the first are told one by one, and so is the first of each kind (a code at a listener) whatever else goes
 * on; of the others there is one line with their number at the minute's end. Metrics count all of them, elsewhere.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { FIELD } from './log-field.ts';
import type { Log } from './log.ts';

/** Somebody who was refused. */
export interface Refusal {
  /** The message of its line. */
  readonly message: string;
  /** Where they came: `https`, `tcp[0]`. */
  readonly listener: string;
  readonly error: unknown;
  /** What else its line says; asked where it is written. */
  readonly fields: () => Readonly<Record<string, unknown>>;
}

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Log;
  /** How many of each kind were not told in this minute. */
  readonly #untold = new Map<string, number>();
  #told = 0;
  #untoldCount = 0;
  #timer: Timer | undefined;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Writes a line now, or counts it for the one at the end of the minute. */
  add({ message, listener, error, fields }: Refusal): void {
    const { refusalsTold, refusalKinds, refusalMs } = LIMITS;
    this.#timer ??= this.#clock.after(refusalMs, () => this.#turn());
    const kind = `${codeOf(error) ?? 'no code'} at ${listener}`;
    const known = this.#untold.get(kind);
    const isFirst = known === undefined && this.#untold.size < refusalKinds;
    if (isFirst) this.#untold.set(kind, 0);
    if (isFirst || this.#told < refusalsTold) {
      this.#told += 1;
      this.#log.warn({ ...fields(), [FIELD.listener]: listener, [FIELD.err]: error }, message);
      return;
    }
    this.#untoldCount += 1;
    if (known !== undefined) this.#untold.set(kind, known + 1);
  }

  /** Tells what is left to be told. Safe to call twice. */
  close(): void {
    this.#timer?.cancel();
    this.#turn();
  }

  #turn(): void {
    this.#timer = undefined;
    if (this.#untoldCount > 0) {
      const [kind, most] = [...this.#untold].reduce((a, b) => (b[1] > a[1] ? b : a));
      const fields = { [FIELD.count]: this.#untoldCount, [FIELD.reason]: `${kind}: ${most}` };
      this.#log.warn(fields, 'more were refused; the most frequent reason is given');
    }
    this.#untold.clear();
    this.#told = 0;
    this.#untoldCount = 0;
  }
}
