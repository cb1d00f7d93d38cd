/**
 * Watches a configuration file and the files it names. They are looked at instead of waited for: that works with editors that
 * rename, with links that are turned to another file, and on network file systems, where notifications do not.
 */
import { stat } from 'node:fs/promises';
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf } from '../core/error.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';

/** How often the files are looked at, ms. */
const LOOK_MS = 250;
/** How soon again once they changed, ms. A change must look the same twice: it may be half written. */
const SETTLE_MS = 100;
/** How often what could not be used is tried again, ms: what it needs may have come since, under a name that nobody watches. */
const RETRY_MS = 5_000;

export interface WatchFilesOptions {
  /** Asked at each look. */
  readonly files: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /**
   * They are others than before, or this is the first look: they may have changed since somebody read them. Resolves with whether it
   * could use them; it is asked again after a while where it could not.
   * What it rejects with is logged, and the files are watched on.
   */
  readonly onChange: () => Promise<boolean>;
}

/** Starts watching; the result ends it. */
export function watchFiles(options: WatchFilesOptions): Timer {
  const watch = new Watch(options);
  watch.look();
  return { cancel: () => watch.cancel() };
}

class Watch {
  readonly #options: WatchFilesOptions;
  /** What the files looked like when they were last read, and at the last look. */
  #read: string | undefined;
  #seen: string | undefined;
  #timer: Timer | undefined;
  /** When to try again what could not be used. */
  #retryAt: number | undefined;
  #isOver = false;

  constructor(options: WatchFilesOptions) {
    this.#options = options;
  }

  look(): void {
    const { clock, log } = this.#options;
    this.#look()
      .catch((err: unknown) => {
        log.error({ [FIELD.err]: err }, 'cannot watch the configuration');
      })
      .finally(() => {
        if (this.#isOver) return;
        const isSettled = this.#read === this.#seen;
        this.#timer = clock.after(isSettled ? LOOK_MS : SETTLE_MS, () => this.look());
      });
  }

  cancel(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const state = await this.#state();
    const isFirst = this.#seen === undefined;
    const isStable = isFirst || state === this.#seen;
    this.#seen = state;
    if (isStable && (state !== this.#read || this.#isRetryDue)) await this.#change(state);
  }

  get #isRetryDue(): boolean {
    return this.#retryAt !== undefined && this.#options.clock.now() >= this.#retryAt;
  }

  async #change(state: string): Promise<void> {
    const { clock, onChange } = this.#options;
    if (this.#isOver) return;
    this.#read = state;
    this.#retryAt = undefined;
    // It may name other files now: they look like a change, and all is read once more.
    if (!(await onChange())) this.#retryAt = clock.now() + RETRY_MS;
  }

  async #state(): Promise<string> {
    const looks = await Promise.all(this.#options.files().map(appearance));
    return looks.join('\n');
  }
}

/** What tells one state of a file from another; the error where there is none. */
async function appearance(file: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino, dev } = await stat(file);
    return [file, mtimeMs, ctimeMs, size, ino, dev].join(' ');
  } catch (error) {
    return `${file} ${codeOf(error) ?? 'gone'}`;
  }
}
