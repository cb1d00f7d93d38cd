/**
 * `tunnel run` from start to end, with the hand-overs in between. docs/operations.md "A connector that is reloaded".
 *
 * A reload starts a successor and, once that takes streams, finishes our own. Where no systemd keeps the book, this process stays as
 * the parent of whoever took over, passes on what it is told, and ends with that one's exit status. Under systemd the successor becomes the
 * main process, and this one ends when its streams have ended.
 */
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { Credentials } from '../../config/connector/credentials-file.ts';
import { formatListenAddress } from '../../config/listen-address.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { hasCode, messageOf } from '../../core/error.ts';
import { newId } from '../../core/id.ts';
import { LIMITS } from '../../core/limits.ts';
import { VERSION } from '../../core/version.ts';
import type { ListeningHandle } from '../../supervisor/listening-handle.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { Deferred } from '../deferred.ts';
import { EXIT, exitCodeOf } from '../exit-code.ts';
import type { LongRunning } from '../long-running.ts';
import type { StopSignals } from '../stop-signals.ts';
import { ConnectorProcess } from './connector-process.ts';
import type { ConnectorStatus, ControlCall } from './hand-over/control-message.ts';
import { EarlierRuns } from './hand-over/earlier-runs.ts';
import type { ConnectorRunInfo, ReloadOutcome } from './hand-over/hand-over-message.ts';
import type { Predecessor } from './hand-over/predecessor.ts';
import type { RunPlace } from './hand-over/run-place.ts';
import type { ServiceNotices } from './service-notices.ts';
import { refusal, Succession } from './hand-over/succession.ts';
import { watchConnectorConfig } from './watch-connector-config.ts';

export interface ConnectorRunOptions {
  readonly config: ConnectorConfig;
  readonly credentials: Credentials;
  readonly log: Log;
  readonly signals: StopSignals;
  readonly notices: ServiceNotices;
  /** Where it can be asked to reload; undefined when there is no such place. */
  readonly place: RunPlace | undefined;
  /** Who started this process to be taken over by it. */
  readonly predecessor: Predecessor | undefined;
  /** Reads the configuration again, for rules that change while the connector runs. */
  readonly load: () => Promise<ConnectorConfig>;
}

/** Reloads that wait for the one that runs; more are refused. test/integration/connector-reload-failures.test.ts */
const MAX_WAITING_RELOADS = 4;

export class ConnectorRun implements LongRunning {
  readonly #connector: ConnectorProcess;
  readonly #options: ConnectorRunOptions;
  readonly #succession: Succession;
  /** Those that this process took over from, while it is the main one of a service. */
  readonly #earlier = new EarlierRuns();
  readonly #ended = new Deferred<number>();
  readonly ended = this.#ended.promise;
  readonly #watch: Timer | undefined;
  readonly #since = systemClock.wall();
  #reloading: Promise<unknown> = Promise.resolve();
  #waitingReloads = 0;
  /** The hand-over under way that nobody asked for but the files. */
  #ownReload: Promise<ReloadOutcome> | undefined;
  /** Set once another process has taken over: settles when the last stream of this one has ended. */
  #finished: Promise<void> | undefined;
  #isFinished = false;
  #isStopping = false;
  #exitCode: number | undefined;

  private constructor(options: ConnectorRunOptions, connector: ConnectorProcess) {
    this.#options = options;
    this.#connector = connector;
    this.#succession = new Succession({
      log: options.log,
      env: options.notices.successorEnv,
      lend: (address) => connector.lendMetrics(address),
      reload: async () => this.reload(),
      onActiveEnded: (status) => void this.#replaceActive(status),
    });
    const { config, log, load } = options;
    const { replica, configState: state } = connector;
    this.#watch = watchConnectorConfig({
      config,
      clock: systemClock,
      log,
      state,
      load,
      connector: replica,
      handOver: async () => this.#reloadChanged(),
    });
  }

  /** Starts the connector, which dials for as long as it takes. Throws CONFIG_*. */
  static async start(options: ConnectorRunOptions): Promise<ConnectorRun> {
    const { config, credentials, log, place, predecessor } = options;
    const { metrics } = config;
    const metricsHandle = metrics && (await predecessor?.listener(formatListenAddress(metrics)));
    const opened = new Deferred<ConnectorRun>();
    const dialFailed = async (error: unknown): Promise<void> =>
      (await opened.promise).#dialFailed(error);
    const id = newId();
    // Before the gateway hears of this run: should it die, the next one must know of it.
    await place?.enter(id, async (call) => (await opened.promise).#answer(call));
    const start = ConnectorProcess.start({
      config,
      credentials,
      log,
      id,
      metricsHandle,
      ...(place && { replaces: place.replaces }),
      onDialFailed: (error) => void dialFailed(error),
    });
    const connector = await start.catch(async (error: unknown) => {
      await place?.close();
      throw error;
    });
    const run = new ConnectorRun(options, connector);
    opened.resolve(run);
    run.#begin(metricsHandle);
    return run;
  }

  get exitCode(): number {
    return this.#exitCode ?? EXIT.done;
  }

  /**
   * Hands over to a new process. Resolves once that takes the new streams; rejects with its error, and this one goes on as before.
   * One at a time; a few may wait. Whoever edits and then reloads may find it under way, and is told what becomes of it.
   */
  async reload(): Promise<ReloadOutcome> {
    return this.#ownReload ?? this.#nextReload();
  }

  /** The same because files have changed. */
  async #reloadChanged(): Promise<void> {
    const reload = this.#nextReload();
    this.#ownReload = reload;
    try {
      await reload;
    } finally {
      this.#ownReload = undefined;
    }
  }

  async #nextReload(): Promise<ReloadOutcome> {
    const { predecessor } = this.#options;
    if (predecessor?.isParent === true) return predecessor.reload();
    if (this.#waitingReloads >= MAX_WAITING_RELOADS)
      throw refusal('others wait for their turn', 'RELOAD_BUSY');
    this.#waitingReloads += 1;
    const turn = this.#reloading.then(async () => {
      this.#waitingReloads -= 1;
      return this.#reload();
    });
    this.#reloading = turn.catch(() => undefined);
    return turn;
  }

  /** Ends this process, those that it took over from and those that took over from it, after their streams. */
  async drain(graceMs: number): Promise<number> {
    this.#isStopping = true;
    const { notices } = this.#options;
    notices.stopping();
    const [cut, status] = await Promise.all([
      this.#connector.drain(graceMs),
      this.#succession.drain(),
      this.#earlier.drain(),
    ]);
    this.#exitCode = status;
    return cut;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    void this.#earlier.stop();
    await Promise.all([this.#connector.stop(), this.#succession.stop()]);
  }

  async release(): Promise<void> {
    const { notices, place, predecessor } = this.#options;
    this.#watch?.cancel();
    await this.#connector.release();
    await place?.close();
    notices.release();
    predecessor?.release();
  }

  #begin(metricsHandle: ListeningHandle | undefined): void {
    const { signals, predecessor, notices } = this.#options;
    predecessor?.obey({
      onReplaced: () => this.#replaced(),
      onDrain: () => signals.drain('the first process of the connector'),
      onStop: () => signals.stop('the first process of the connector'),
      onMain: (draining) => this.#becomeMain(draining),
      lend: (address) => this.#connector.lendMetrics(address),
      onGone: () => signals.drain('the first process of the connector is gone'),
    });
    if (predecessor === undefined) notices.beMain();
    void this.#announce(metricsHandle);
  }

  /** Tells whoever waits for it that this process takes streams. */
  async #announce(metricsHandle: ListeningHandle | undefined): Promise<void> {
    const { notices, place, predecessor } = this.#options;
    await this.#connector.registered;
    if (this.#isStopping) return;
    if (predecessor === undefined) {
      notices.ready(this.#summary);
    } else {
      predecessor.linked();
      await this.#connector.replica.linksUp(LIMITS.handOverLinksMs);
      try {
        if (metricsHandle !== undefined) await this.#connector.listen(metricsHandle);
        predecessor.registered(this.#info);
      } catch (error) {
        await this.#fail(error);
        return;
      }
    }
    await place?.forgetDead();
  }

  /** A successor is told apart from a connector that people start: nobody waits for it until its token is right. */
  async #dialFailed(error: unknown): Promise<void> {
    const { predecessor } = this.#options;
    if (predecessor === undefined || this.#connector.replica.linkCount > 0) return;
    if (!predecessor.isParent || !hasCode(error, 'REGISTER_REFUSED')) predecessor.trouble(error);
    else await this.#fail(error);
  }

  /** This process will not take over. */
  async #fail(error: unknown): Promise<void> {
    await this.#options.predecessor?.failed(error);
    await this.#connector.stop();
    this.#ended.resolve(exitCodeOf(error));
  }

  async #reload(): Promise<ReloadOutcome> {
    const { log, notices } = this.#options;
    if (this.#isStopping) throw refusal('it is asked to stop');
    const isOver = this.#succession.isLetGo;
    if (isOver) throw refusal(`process ${this.#succession.activePid} has taken over from this one`);
    log.info('reloading: a new process is started');
    notices.reloading();
    try {
      const { run, before } = await this.#succession.startNext(await this.#earlier.count());
      log.info(
        { [FIELD.process]: run.pid, [FIELD.replica]: run.replica, [FIELD.version]: run.version },
        'a new process has taken over',
      );
      await this.#handOver(run.pid);
      this.#replaced();
      return { started: run, draining: before ?? process.pid };
    } catch (error) {
      log.error({ [FIELD.err]: error }, 'the reload failed; nothing has changed');
      notices.ready(`the last reload failed: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Under systemd, makes the new process the main one. */
  async #handOver(pid: number): Promise<void> {
    const { notices, place, predecessor } = this.#options;
    if (!(await notices.makeMain(pid))) {
      notices.ready(`process ${pid} serves`);
      return;
    }
    const own = place?.socketPath;
    this.#succession.letGo([...this.#earlier.sockets, ...(own === undefined ? [] : [own])]);
    predecessor?.succeeded();
  }

  #becomeMain(draining: readonly string[]): void {
    const { notices, signals } = this.#options;
    signals.hasParent = false;
    this.#earlier.add(draining);
    notices.beMain();
    notices.ready(this.#summary);
  }

  /** Another process takes the new streams: finishes its own, for as long as the operator lets it. */
  #replaced(): void {
    if (this.#finished !== undefined) return;
    this.#watch?.cancel();
    this.#options.log.info('finishing the streams that are open');
    this.#finished = this.#finish();
  }

  async #finish(): Promise<void> {
    const { config, log, place, predecessor } = this.#options;
    // The other one listens there, too. Answers that are under way come first: they are to say that the connector is ready.
    await this.#connector.closeMetrics();
    const cut = await this.#connector.drain(config.reloadGraceMs ?? Infinity);
    if (cut === 0) log.info('all streams of this process have ended');
    else log.warn({ [FIELD.count]: cut }, 'streams that outlasted the grace period were cut');
    this.#isFinished = true;
    await place?.forget();
    const isDone = predecessor?.isParent === true || this.#succession.isLetGo;
    if (isDone && !this.#isStopping) this.#ended.resolve(EXIT.done);
  }

  /**
   * The process that took over has ended by itself. Somebody must take new streams while there are old ones; where there are none,
   * whoever started us decides what to do, by the exit status.
   */
  async #replaceActive(status: number): Promise<void> {
    const { config, notices } = this.#options;
    if (this.#isStopping) return;
    const isBusy = !this.#isFinished || this.#succession.drainingCount > 0;
    if (isBusy && status !== EXIT.done) {
      notices.beMain();
      await notices.makeMain(process.pid);
      const replaced = await this.reload().catch(() => undefined);
      if (replaced !== undefined) return;
    }
    await this.drain(config.gracePeriodMs);
    this.#ended.resolve(status);
  }

  async #answer(call: ControlCall): Promise<unknown> {
    const { signals } = this.#options;
    switch (call) {
      case 'status':
        return this.#status;
      case 'reload':
        return this.reload();
      case 'drain':
        signals.drain('the process that took over');
        break;
      case 'stop':
        signals.stop('the process that took over');
    }
    // Whoever asked for the end is told by it.
    return new Promise(() => undefined);
  }

  get #status(): ConnectorStatus {
    const { config, credentials } = this.#options;
    const { replica } = this.#connector;
    return {
      pid: process.pid,
      tunnel: config.tunnel ?? credentials.name ?? credentials.id,
      tunnelId: credentials.id,
      replica: replica.id,
      links: replica.linkCount,
      streams: replica.streamCount,
      state: this.#state,
      version: VERSION,
      since: new Date(this.#since).toISOString(),
      config: this.#connector.configState.status,
    };
  }

  get #state(): ConnectorStatus['state'] {
    if (this.#isFinished) return 'parent';
    if (this.#connector.replica.isDraining || this.#finished !== undefined) return 'draining';
    return this.#connector.replica.linkCount > 0 ? 'serving' : 'starting';
  }

  get #info(): ConnectorRunInfo {
    const { id: replica, linkCount: links } = this.#connector.replica;
    return { pid: process.pid, replica, links, version: VERSION };
  }

  /** For `systemctl status`. */
  get #summary(): string {
    const { config, credentials } = this.#options;
    return `tunnel ${config.tunnel ?? credentials.name ?? credentials.id} is served by process ${process.pid}`;
  }
}
