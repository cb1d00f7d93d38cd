/**
 * Keeps one worker serving, whatever happens to it, and replaces it without a gap when asked. docs/decisions/0020 and
 * docs/operations.md "Reload".
 *
 * Knows no application: it holds the sockets, starts processes and passes on what they ask of each other. All of its code
 * is loaded at the start, because what is on disk may be another version by the time of a reload.
 *
 * At most one worker is being started at any time, and at most one is active. The others drain.
 */
import { Backoff } from '../core/backoff.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { codeOf, PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { withResolvers } from '../core/with-resolvers.ts';
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { watchBeats } from './beat-watch.ts';
import type { SdNotify } from './sd-notify.ts';
import { describeWorkers, type SupervisorStatus } from './supervisor-status.ts';
import type { LogSettings, WorkerMessage } from './worker-message.ts';
import type { WorkerProcess } from './worker-process.ts';
import { Workers, type WorkersOptions } from './workers.ts';

export interface SupervisorOptions extends Omit<WorkersOptions, 'onExit' | 'onMessage'> {
  readonly notify: SdNotify;
  /** Makes the log, as the configuration of the first worker wants it. */
  createLog(settings: LogSettings): Log;
}

/** How a hand-over ended. */
export interface HandOver {
  /** The worker that takes what is new. */
  readonly generation: number;
  readonly pid: number;
  readonly version: string;
  /** Generations that still end what they have. */
  readonly draining: readonly number[];
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #clock: Clock;
  readonly #workers: Workers;
  readonly #restarts = new Backoff({ maxMs: LIMITS.workerRestartMs });
  readonly #drained = withResolvers<number>();
  readonly #ended = withResolvers<number>();
  #log: Log | undefined;
  #watch: Timer | undefined;
  /** A start or a roll-back is under way. */
  #isBusy = false;
  #isStopping = false;
  #restart: Timer | undefined;
  /** A reload that was asked for while another hand-over was under way, by somebody who does not wait for it. */
  #wantedReload: string | undefined;
  /** The hand-over under way that no administrator asked for. */
  #ownReload: Promise<HandOver> | undefined;
  /** When the active worker became it, on the monotonic clock, ms. */
  #activeSince = 0;
  #cut = 0;
  /** When systemd was last told that we live, on the monotonic clock, ms. */
  #fedAt = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#workers = new Workers({
      ...options,
      onMessage: (worker, message) => this.#received(worker, message),
      onExit: (worker, how) => this.#exited(worker, how),
    });
  }

  /** Whether a drain has begun, whoever asked for it. */
  get isDraining(): boolean {
    return this.#isStopping;
  }

  /** Resolves when every worker is gone, with how much the last drain cut. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Starts the first worker. Rejects with what keeps it from getting ready, and leaves nothing open. */
  async start(): Promise<void> {
    try {
      await this.#exclusively(async () => this.#promote(await this.#workers.start()));
    } catch (error) {
      this.#workers.sockets.close();
      throw error;
    }
    const { notify } = this.#options;
    this.#watch = watchBeats({
      clock: this.#clock,
      workers: () => this.#workers.beating,
      onHung: (worker) => this.#hung(worker),
      onLook: () => this.#feedWatchdog(),
    });
    for (const { name } of this.#workers.sockets.unused) {
      this.#log?.warn({ [FIELD.reason]: name }, 'systemd passed a socket that is not configured');
    }
    await notify.ready(this.#summary);
  }

  /**
   * Replaces the worker by one that runs the code and configuration on disk. Rejects with what keeps that one from getting
   * ready, RELOAD_FAILED where it does not say, and RELOAD_BUSY; the old one goes on then.
   */
  async reload(reason: string): Promise<HandOver> {
    this.#assertFree('reload the gateway');
    if (this.#workers.draining.length >= LIMITS.drainingWorkers) {
      const why = `${LIMITS.drainingWorkers} old workers still drain, and that is the limit`;
      throw new PosternError('RELOAD_BUSY', `Cannot reload the gateway: ${why}`);
    }
    const { notify } = this.#options;
    this.#log?.info({ [FIELD.reason]: reason }, 'reloading');
    void notify.reloading();
    try {
      return await this.#exclusively(async () => this.#promote(await this.#workers.start()));
    } catch (err) {
      this.#log?.error(
        { [FIELD.err]: err },
        'the new worker did not get ready; nothing has changed',
      );
      throw err;
    } finally {
      void notify.ready(this.#summary);
    }
  }

  /** The same for somebody who does not wait: when a hand-over is under way, once that has ended. */
  reloadSoon(reason: string): void {
    if (this.#isStopping) return;
    if (this.#isBusy) this.#wantedReload = reason;
    // What went wrong was logged, except that too many drain.
    else
      this.reload(reason).catch((err: unknown) =>
        this.#log?.warn({ [FIELD.err]: err }, 'not reloaded'),
      );
  }

  /** Gives the sockets back to the worker before, which still drains. RELOAD_ROLL_BACK when there is none. */
  async rollBack(): Promise<HandOver> {
    this.#assertFree('roll back');
    const target = this.#workers.draining.at(-1);
    if (target === undefined) {
      const why = 'no worker drains; a reload runs what is on disk';
      throw new PosternError('RELOAD_ROLL_BACK', `Cannot roll back: ${why}`);
    }
    return this.#exclusively(async () => this.#promote(await this.#workers.resume(target)));
  }

  /** Takes nothing new and has all workers finish. Resolves when they have, with how much was cut. Safe to call twice. */
  async drain(reason: string): Promise<number> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#restart?.cancel();
      void this.#options.notify.stopping();
      this.#workers.sockets.closeTraffic();
      this.#workers.drainAll(reason);
      this.#endWhenDrained();
    }
    return this.#drained.promise;
  }

  /** Ends at once. Resolves when every worker is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    this.#workers.endAll();
    this.#endWhenDrained();
    await this.#ended.promise;
  }

  async status(): Promise<SupervisorStatus> {
    return describeWorkers(this.#workers.all, this.#clock);
  }

  get #summary(): string {
    const { active, draining } = this.#workers;
    const old = draining.map(({ generation }) => generation).join(', ');
    const now = active === undefined ? 'no worker' : `generation ${active.generation} serves`;
    return old === '' ? now : `${now}; draining: ${old}`;
  }

  #assertFree(what: string): void {
    if (this.#isStopping) {
      throw new PosternError('RELOAD_BUSY', `Cannot ${what}: the gateway is about to end`);
    }
    if (!this.#isBusy) return;
    const remedy = 'try again when it has ended';
    throw new PosternError('RELOAD_BUSY', `Cannot ${what}: a worker is being started; ${remedy}`);
  }

  /** Whatever comes of it, there is to be an active worker afterwards, or one on the way. */
  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#isBusy = true;
    this.#restart?.cancel();
    this.#restart = undefined;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      if (this.#watch !== undefined) this.#ensureActive();
      this.#endWhenDrained();
    }
  }

  #promote(worker: WorkerProcess): HandOver {
    const { ready } = worker;
    if (ready === undefined || this.#isStopping || worker.isGone) {
      worker.kill();
      throw new PosternError('RELOAD_FAILED', 'Cannot hand over: the gateway is about to end');
    }
    this.#log ??= this.#options.createLog(ready.log);
    this.#workers.promote(worker, this.#clock.wall());
    this.#activeSince = this.#clock.now();
    const { generation, pid } = worker;
    const draining = this.#workers.draining.map((one) => one.generation);
    const fields = { [FIELD.generation]: generation, [FIELD.process]: pid };
    this.#log.info({ ...fields, [FIELD.version]: ready.version }, 'the worker serves');
    return { generation, pid, version: ready.version, draining };
  }

  #received(worker: WorkerProcess, message: WorkerMessage): void {
    if (message.type === 'drained') {
      worker.isDrained = true;
      this.#cut += this.#isStopping ? message.cut : 0;
      if (!this.#isStopping) this.#workers.end(worker);
      this.#endWhenDrained();
    } else if (message.type === 'call') {
      worker.answer(message.id, this.#call(worker, message));
    }
  }

  async #call(
    worker: WorkerProcess,
    { call, ownReason }: Extract<WorkerMessage, { type: 'call' }>,
  ): Promise<unknown> {
    if (call === 'reload') {
      if (ownReason !== undefined) return this.#reloadFor(worker, ownReason);
      // Whoever edits and then reloads may find it under way.
      return this.#ownReload ?? this.reload('gateway reload');
    }
    if (call === 'roll-back') return this.rollBack();
    if (call === 'drain') return { cut: await this.drain('gateway drain') };
    return this.status();
  }

  /** A worker asks by itself: what it wants may have happened since. */
  async #reloadFor(worker: WorkerProcess, reason: string): Promise<HandOver> {
    if (worker.state !== 'active') {
      throw new PosternError('RELOAD_BUSY', 'Cannot reload the gateway: another worker serves');
    }
    const isFirst = !this.#isBusy;
    const reload = this.reload(reason);
    if (isFirst) this.#ownReload = reload;
    try {
      return await reload;
    } finally {
      if (this.#ownReload === reload) this.#ownReload = undefined;
    }
  }

  #exited(worker: WorkerProcess, how: string): void {
    const fields = { [FIELD.generation]: worker.generation, [FIELD.process]: worker.pid };
    if (worker.isDrained) this.#log?.info(fields, 'the worker has ended');
    else if (worker.state !== 'starting') {
      this.#log?.error({ ...fields, [FIELD.reason]: how }, 'the worker died');
    }
    if (this.#workers.active === undefined) {
      const livedMs = this.#clock.now() - this.#activeSince;
      if (worker.state === 'active' && livedMs >= LIMITS.workerSteadyMs) this.#restarts.reset();
      this.#ensureActive();
    }
    this.#endWhenDrained();
    void this.#options.notify.status(this.#summary);
  }

  /** While there is no worker another one is on its way, which a restart of all would not make quicker. */
  #feedWatchdog(): void {
    const { notify } = this.#options;
    const now = this.#clock.now();
    const { watchdogEveryMs } = notify;
    if (watchdogEveryMs === undefined) return;
    const silentMs = now - (this.#workers.active?.lastBeat ?? now);
    const isDue = now - this.#fedAt >= watchdogEveryMs - LIMITS.workerBeatMs;
    if (!isDue || silentMs > 2 * LIMITS.workerBeatMs) return;
    this.#fedAt = now;
    void notify.watchdog();
  }

  #hung(worker: WorkerProcess): void {
    const fields = { [FIELD.generation]: worker.generation, [FIELD.process]: worker.pid };
    const silent = { ...fields, [FIELD.durationMs]: LIMITS.workerHungMs };
    this.#log?.error(silent, 'the worker hangs and is killed');
    worker.kill();
  }

  /** Has another worker started when there is none, sooner or later after how often that went wrong. */
  #ensureActive(): void {
    if (this.#isStopping || this.#isBusy || this.#restart !== undefined) return;
    if (this.#workers.active === undefined) {
      const waitMs = this.#restarts.next();
      this.#restart = this.#clock.after(waitMs, () => {
        void this.#exclusively(async () => this.#replace());
      });
      return;
    }
    const reason = this.#wantedReload;
    this.#wantedReload = undefined;
    if (reason !== undefined) this.reloadSoon(reason);
  }

  /** What is on disk; else the worker before, where it still drains; else the last configuration that worked. */
  async #replace(): Promise<void> {
    const configText = this.#workers.goodConfigText;
    const previous = this.#workers.draining.at(-1);
    try {
      this.#promote(await this.#workers.start());
      return;
    } catch (err) {
      if (this.#isStopping) return;
      this.#log?.error({ [FIELD.err]: err }, 'cannot start another worker');
      if (previous === undefined && !(codeOf(err) ?? '').startsWith('CONFIG_')) return;
    }
    try {
      if (previous === undefined) this.#promote(await this.#workers.start(configText));
      else this.#promote(await this.#workers.resume(previous));
    } catch (err) {
      this.#log?.error({ [FIELD.err]: err }, 'cannot go back to what worked either');
      return;
    }
    const what =
      previous === undefined ? 'the last configuration that worked' : 'the worker before';
    this.#log?.error(
      { [FIELD.reason]: what },
      'the gateway went back to what worked; repair what is on disk',
    );
  }

  /** When all have finished whoever asked is told, and then they may go. */
  #endWhenDrained(): void {
    if (!this.#isStopping || this.#isBusy) return;
    if (this.#workers.all.every(({ isDrained }) => isDrained)) {
      this.#drained.resolve(this.#cut);
      setImmediate(() => this.#workers.endAll());
    }
    if (this.#workers.all.length > 0) return;
    this.#watch?.cancel();
    this.#workers.sockets.close();
    this.#ended.resolve(this.#cut);
  }
}
