/**
 * Watches a configuration file. It is looked at instead of waited for: that works with editors that rename, with links that
 * are turned to another file, and on network file systems, where notifications do not.
 */
import { stat } from 'node:fs/promises';
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf } from '../core/error.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';

/** How often the file is looked at, ms. A change must look the same twice: it may be half written. */
const LOOK_MS = 500;

export interface WatchFileOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The file is another one than before. What it rejects with is logged, and the file watched on. */
  onChange(): Promise<void>;
}

/** Starts watching; the result ends it. */
export function watchFile(options: WatchFileOptions): Timer {
  const watch = new Watch(options);
  watch.look(true);
  return { cancel: () => watch.cancel() };
}

class Watch {
  readonly #options: WatchFileOptions;
  /** What the file looked like when it was last read, and at the last look. */
  #read: string | undefined;
  #seen: string | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: WatchFileOptions) {
    this.#options = options;
  }

  look(isFirst: boolean): void {
    this.#look(isFirst)
      .catch((err: unknown) => {
        this.#options.log.error({ [FIELD.err]: err }, 'cannot watch the configuration');
      })
      .finally(() => {
        if (this.#isOver) return;
        this.#timer = this.#options.clock.after(LOOK_MS, () => this.look(false));
      });
  }

  cancel(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  async #look(isFirst: boolean): Promise<void> {
    const state = await appearance(this.#options.file);
    const isStable = state === this.#seen;
    this.#seen = state;
    if (isFirst) this.#read = state;
    else if (state !== this.#read && isStable && !this.#isOver) {
      this.#read = state;
      await this.#options.onChange();
    }
  }
}

/** What tells one state of a file from another; the error where there is none. */
async function appearance(file: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino, dev } = await stat(file);
    return [mtimeMs, ctimeMs, size, ino, dev].join(' ');
  } catch (error) {
    return codeOf(error) ?? 'gone';
  }
}
