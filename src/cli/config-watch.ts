/**
 * Reads a configuration again when its files change, and puts in force what can change while the process runs.
 * docs/operations.md "Changed files".
 *
 * Whole or not at all: what cannot be read, understood or prepared changes nothing, is said once in the log, and is in `status`
 * and in a metric for as long as it lasts. What needs a new process is named and waits for it.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { messageOf } from '../core/error.ts';
import type { ConfigState } from '../telemetry/config-state.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { watchFiles } from './watch-files.ts';

/** What a changed configuration comes to. */
export interface ConfigChange<Config> {
  /** What runs once it is applied: what can change as it is now, the rest as it was. */
  readonly running: Config;
  /** Keys of the file whose change waits for a new process. */
  readonly waiting: readonly string[];
  /** Puts it in force at once and says so in the log. Must not throw. */
  apply(): void;
}

export interface ConfigWatchOptions<Config> {
  /** The configuration's own file. */
  readonly file: string;
  /** What runs now. */
  readonly config: Config;
  /** Every file that a configuration was read from: where one changes, all is read again. */
  readonly filesOf: (config: Config) => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly state: ConfigState;
  /** Reads the file again, with the same options and environment. */
  readonly load: () => Promise<Config>;
  /** Compares it with what runs, and reads what it needs. Throws where it cannot be put in force. */
  readonly prepare: (running: Config, next: Config) => Promise<ConfigChange<Config>>;
  /** What to do about keys that wait. */
  readonly remedy: string;
}

/** Starts watching; the result ends it. */
export function watchConfig<Config>(options: ConfigWatchOptions<Config>): Timer {
  const watch = new ConfigWatch(options);
  const { clock, log } = options;
  const files = (): readonly string[] => watch.files;
  const timer = watchFiles({ files, clock, log, onChange: async () => watch.reload() });
  return {
    cancel: () => {
      watch.cancel();
      timer.cancel();
    },
  };
}

class ConfigWatch<Config> {
  readonly #options: ConfigWatchOptions<Config>;
  #running: Config;
  #files: readonly string[];
  #waiting = '';
  /** Why the files were refused last, while they are. */
  #refusal: string | undefined;
  #isOver = false;

  constructor(options: ConfigWatchOptions<Config>) {
    this.#options = options;
    this.#running = options.config;
    this.#files = this.#filesOf(options.config);
  }

  get files(): readonly string[] {
    return this.#files;
  }

  cancel(): void {
    this.#isOver = true;
  }

  /** Returns whether it could be used. */
  async reload(): Promise<boolean> {
    const { load, prepare, state, clock } = this.#options;
    let change: ConfigChange<Config>;
    try {
      const next = await load();
      // Where it is refused, what it names is watched all the same: there the mistake may be put right.
      this.#files = this.#filesOf(next);
      change = await prepare(this.#running, next);
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    if (this.#isOver) return true;
    this.#refusal = undefined;
    this.#running = change.running;
    change.apply();
    state.taken(clock.wall(), change.waiting);
    this.#tellWaiting(change.waiting);
    return true;
  }

  #refuse(err: unknown): void {
    const { file, log, state, clock } = this.#options;
    const refusal = messageOf(err);
    if (this.#isOver || refusal === this.#refusal) return;
    this.#refusal = refusal;
    state.refused(clock.wall(), err);
    const fields = { [FIELD.err]: err, [FIELD.file]: file };
    log.error(fields, 'the changed configuration is refused; the old one stays in force');
  }

  /** Says once, and again when it changes, what is not in force. */
  #tellWaiting(waiting: readonly string[]): void {
    const { file, log, remedy } = this.#options;
    const text = waiting.join(', ');
    if (text === this.#waiting) return;
    this.#waiting = text;
    if (text !== '') log.warn({ [FIELD.file]: file, [FIELD.reason]: `changed: ${text}` }, remedy);
  }

  #filesOf(config: Config): readonly string[] {
    const { file, filesOf } = this.#options;
    return [...new Set([file, ...filesOf(config)])];
  }
}
