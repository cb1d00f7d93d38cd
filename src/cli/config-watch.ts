/**
 * Reads a configuration again when its files change, and puts in force what can change while the process runs.
 * docs/operations.md "Changed files".
 *
 * Whole or not at all: what cannot be read, understood or prepared changes nothing, is said once in the log, and is in `status`
 * and in a metric for as long as it lasts. A change that needs a new process has one take over, which takes all of it; where that
 * may not be, the keys are named and wait for a command, and the rest comes into force.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { messageOf } from '../core/error.ts';
import type { ConfigState } from '../telemetry/config-state.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { PacedHandOver } from './paced-hand-over.ts';
import { watchFiles } from './watch-files.ts';

/** What a changed configuration comes to. */
export interface ConfigChange<Config> {
  /** What runs once it is applied: what can change as it is now, the rest as it was. */
  readonly running: Config;
  /** Keys of the file whose change waits for a new process. */
  readonly waiting: readonly string[];
  /** Whether a new process may take over for their sake without anybody's command. */
  readonly mayHandOver: boolean;
  /** Whether it says what runs already. */
  readonly isSame: boolean;
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
  /** Has a new process of what is in the files take over from this one. Absent where nothing can. */
  readonly handOver?: (() => Promise<void>) | undefined;
}

/** A configuration that is watched. */
export interface WatchedConfig extends Timer {
  /** Another process has taken over: what can change here still does, for what this one finishes; nothing is handed over. */
  follow(): void;
  /** The hand-over was taken back. What is in the files by then stays there until they change again. */
  lead(): void;
}

/** Starts watching. What has changed since the configuration was read is found at once. */
export function watchConfig<Config>(options: ConfigWatchOptions<Config>): WatchedConfig {
  const watch = new ConfigWatch(options);
  const { clock, log } = options;
  const files = (): readonly string[] => watch.files;
  const onChange = async (): Promise<boolean> => watch.reload();
  const timer = watchFiles({ files, clock, log, onChange });
  return {
    follow: () => watch.follow(),
    lead: () => watch.lead(),
    cancel: () => {
      watch.cancel();
      timer.cancel();
    },
  };
}

class ConfigWatch<Config> {
  readonly #options: ConfigWatchOptions<Config>;
  readonly #handOver: PacedHandOver | undefined;
  #running: Config;
  #files: readonly string[];
  #waiting = '';
  /** Why the files were refused last, while they are. */
  #refusal: string | undefined;
  /** One reading after the other, so that the last one counts. */
  #turn: Promise<unknown> = Promise.resolve();
  #isFirst = true;
  #isFollowing = false;
  #isOver = false;

  constructor(options: ConfigWatchOptions<Config>) {
    this.#options = options;
    this.#running = options.config;
    this.#files = this.#filesOf(options.config);
    const { clock, handOver } = options;
    this.#handOver =
      handOver &&
      new PacedHandOver({
        clock,
        handOver,
        onBusy: (err) => this.#busy(err),
        onFailed: (err) => this.#refuse(err),
      });
  }

  get files(): readonly string[] {
    return this.#files;
  }

  cancel(): void {
    this.#isOver = true;
    this.#handOver?.drop();
  }

  follow(): void {
    this.#isFollowing = true;
    this.#handOver?.drop();
    void this.reload();
  }

  lead(): void {
    this.#isFollowing = false;
  }

  /** Returns whether it could be used. Never rejects. */
  async reload(): Promise<boolean> {
    const turn = this.#turn.then(async () => this.#reload());
    this.#turn = turn;
    return turn;
  }

  async #reload(): Promise<boolean> {
    const { load, prepare } = this.#options;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    try {
      const next = await load();
      // Where it is refused, what it names is watched all the same: there the mistake may be put right.
      this.#files = this.#filesOf(next);
      const change = await prepare(this.#running, next);
      if (!this.#isOver) this.#take(change, isFirst);
      return true;
    } catch (error) {
      this.#handOver?.drop();
      this.#refuse(error);
      return false;
    }
  }

  #take(change: ConfigChange<Config>, isFirst: boolean): void {
    const { state, clock } = this.#options;
    const { waiting, mayHandOver } = change;
    if (waiting.length > 0 && mayHandOver && this.#handOver !== undefined && !this.#isFollowing) {
      state.waits(waiting);
      this.#tellWaiting(waiting, 'a new process is to take over with the changed configuration');
      this.#handOver.want();
      return;
    }
    this.#handOver?.drop();
    this.#refusal = undefined;
    this.#running = change.running;
    change.apply();
    if (!isFirst || !change.isSame) state.taken(clock.wall(), waiting);
    if (!this.#isFollowing) this.#tellWaiting(waiting);
  }

  #busy(err: unknown): void {
    const { file, log } = this.#options;
    const reason = messageOf(err);
    if (this.#isOver || this.#isFollowing || reason === this.#refusal) return;
    this.#refusal = reason;
    log.warn({ [FIELD.file]: file, [FIELD.reason]: reason }, 'the hand-over is tried again');
  }

  #refuse(err: unknown): void {
    const { file, log, state, clock } = this.#options;
    const refusal = messageOf(err);
    if (this.#isOver || refusal === this.#refusal) return;
    this.#refusal = refusal;
    this.#waiting = '';
    state.refused(clock.wall(), err);
    const fields = { [FIELD.err]: err, [FIELD.file]: file };
    log.error(fields, 'the changed configuration is refused; the old one stays in force');
  }

  /** Says once, and again when it changes, what is not in force. */
  #tellWaiting(waiting: readonly string[], what?: string): void {
    const { file, log, remedy } = this.#options;
    const text = waiting.join(', ');
    if (text === this.#waiting) return;
    this.#waiting = text;
    if (text === '') return;
    const fields = { [FIELD.file]: file, [FIELD.reason]: `changed: ${text}` };
    if (what === undefined) log.warn(fields, remedy);
    else log.info(fields, what);
  }

  #filesOf(config: Config): readonly string[] {
    const { file, filesOf } = this.#options;
    return [...new Set([file, ...filesOf(config)])];
  }
}
