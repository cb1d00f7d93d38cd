/**
 * `tunnel run` from start to end, with the hand-overs in between. docs/operations.md "A connector that is reloaded".
 *
 * A reload starts a successor and, once that takes streams, finishes our own. Where no systemd keeps the book, this process stays as
 * the parent of whoever took over, passes on what it is told, and ends with that one's exit status. Under systemd the successor becomes the
 * main process, and this one ends when its streams have ended.
 */
import type { ConnectorConfig } from '../../config/connector/connector-config.ts';
import type { Credentials } from '../../config/connector/credentials-file.ts';
import type { IngressRule } from '../../config/connector/ingress-rule.ts';
import { formatListenAddress } from '../../config/listen-address.ts';
import { systemClock, type Timer } from '../../core/clock.ts';
import { hasCode, messageOf } from '../../core/error.ts';
import { LIMITS } from '../../core/limits.ts';
import { VERSION } from '../../core/version.ts';
import type { ListeningHandle } from '../../supervisor/listening-handle.ts';
import type { SdNotify } from '../../supervisor/sd-notify.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';
import { Deferred } from '../deferred.ts';
import { EXIT, exitCodeOf } from '../exit-code.ts';
import type { LongRunning } from '../long-running.ts';
import type { StopSignals } from '../stop-signals.ts';
import { ConnectorProcess } from './connector-process.ts';
import type { ConnectorRunInfo, ReloadOutcome } from './hand-over-message.ts';
import type { Predecessor } from './predecessor.ts';
import { refusal, Succession } from './succession.ts';
import { watchConfig } from './watch-config.ts';

export interface ConnectorRunOptions {
  readonly config: ConnectorConfig;
  readonly credentials: Credentials;
  readonly log: Log;
  readonly signals: StopSignals;
  readonly notify: SdNotify;
  /** Who started this process to be taken over by it. */
  readonly predecessor: Predecessor | undefined;
  /** Reads the configuration again, for rules that change while the connector runs. */
  readonly load: () => Promise<ConnectorConfig>;
}

/** Reloads that wait for the one that runs; more are refused. test/integration/connector-reload-failures.test.ts */
const MAX_WAITING_RELOADS = 4;

export class ConnectorRun implements LongRunning {
  readonly connector: ConnectorProcess;
  readonly #options: ConnectorRunOptions;
  readonly #succession: Succession;
  readonly #ended = new Deferred<number>();
  readonly ended = this.#ended.promise;
  readonly #watch: Timer;
  #reloading: Promise<unknown> = Promise.resolve();
  #waitingReloads = 0;
  /** Set once another process has taken over: how many streams were cut, when the last one has ended. */
  #finished: Promise<number> | undefined;
  #isStopping = false;
  #exitCode: number | undefined;

  private constructor(options: ConnectorRunOptions, connector: ConnectorProcess) {
    this.#options = options;
    this.connector = connector;
    this.#succession = new Succession({
      log: options.log,
      env: options.notify.successorEnv(),
      lend: (address) => connector.lendMetrics(address),
      reload: async () => this.reload(),
      onActiveEnded: (status) => void this.#replaceActive(status),
    });
    const { config, log, load } = options;
    const apply = (rules: readonly IngressRule[]): void => connector.replica.setRules(rules);
    this.#watch = watchConfig({ config, clock: systemClock, log, load, apply });
  }

  /** Starts the connector, which dials for as long as it takes. Throws CONFIG_*. */
  static async start(options: ConnectorRunOptions): Promise<ConnectorRun> {
    const { config, credentials, log, predecessor } = options;
    const { metrics } = config;
    const metricsHandle = metrics && (await predecessor?.listener(formatListenAddress(metrics)));
    const connector: ConnectorProcess = await ConnectorProcess.start({
      config,
      credentials,
      log,
      metricsHandle,
      onDialFailed: (error) => void run?.dialFailed(error),
    });
    const run = new ConnectorRun(options, connector);
    predecessor?.obey({
      onReplaced: () => run.#replaced(),
      onDrain: () => options.signals.drain('the first process of the connector'),
      onStop: () => options.signals.stop('the first process of the connector'),
      onMain: () => undefined,
      lend: (address) => connector.lendMetrics(address),
      onGone: () => options.signals.drain('the first process of the connector is gone'),
    });
    void run.#announce(metricsHandle);
    return run;
  }

  get exitCode(): number {
    return this.#exitCode ?? EXIT.done;
  }

  /** A successor is told apart from a connector that people start: nobody waits for it until its token is right. */
  async dialFailed(error: unknown): Promise<void> {
    const { predecessor } = this.#options;
    if (predecessor === undefined || this.connector.replica.linkCount > 0) return;
    if (!hasCode(error, 'REGISTER_REFUSED')) predecessor.trouble(error);
    else await this.#fail(error);
  }

  /**
   * Hands over to a new process. Resolves once that takes the new streams; rejects with its error, and this one goes on as before.
   * One at a time; a few may wait.
   */
  async reload(): Promise<ReloadOutcome> {
    const { predecessor } = this.#options;
    if (predecessor?.isParent === true) return predecessor.reload();
    if (this.#waitingReloads >= MAX_WAITING_RELOADS) throw refusal('others wait for their turn');
    this.#waitingReloads += 1;
    const turn = this.#reloading.then(async () => {
      this.#waitingReloads -= 1;
      return this.#reload();
    });
    this.#reloading = turn.catch(() => undefined);
    return turn;
  }

  /** Ends this process and its successors, after their streams. */
  async drain(graceMs: number): Promise<number> {
    this.#isStopping = true;
    const [cut, status] = await Promise.all([
      this.connector.drain(graceMs),
      this.#succession.drain(),
    ]);
    this.#exitCode = status;
    return cut;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([this.connector.stop(), this.#succession.stop()]);
  }

  async release(): Promise<void> {
    this.#watch.cancel();
    await this.connector.release();
    this.#options.predecessor?.release();
  }

  /** Tells whoever waits for it that this process takes streams. */
  async #announce(metricsHandle: ListeningHandle | undefined): Promise<void> {
    const { connector } = this;
    const { predecessor } = this.#options;
    await connector.registered;
    if (this.#isStopping || predecessor === undefined) return;
    predecessor.linked();
    await connector.replica.linksUp(LIMITS.handOverLinksMs);
    try {
      if (metricsHandle !== undefined) await connector.listen(metricsHandle);
      predecessor.registered(this.#info);
    } catch (error) {
      await this.#fail(error);
    }
  }

  get #info(): ConnectorRunInfo {
    const { id: replica, linkCount: links } = this.connector.replica;
    return { pid: process.pid, replica, links, version: VERSION };
  }

  /** This process will not take over. */
  async #fail(error: unknown): Promise<void> {
    await this.#options.predecessor?.failed(error);
    await this.connector.stop();
    this.#ended.resolve(exitCodeOf(error));
  }

  async #reload(): Promise<ReloadOutcome> {
    const { log } = this.#options;
    if (this.#isStopping) throw refusal('it is asked to stop');
    log.info('reloading: a new process is started');
    try {
      const { run, before } = await this.#succession.startNext();
      log.info(
        { [FIELD.process]: run.pid, [FIELD.replica]: run.replica, [FIELD.version]: run.version },
        'a new process has taken over',
      );
      this.#replaced();
      return { started: run, draining: before ?? process.pid };
    } catch (error) {
      log.error({ [FIELD.err]: error }, 'the reload failed; nothing has changed');
      throw error;
    }
  }

  /** Another process takes the new streams: finishes its own, for as long as the operator lets it. */
  #replaced(): void {
    if (this.#finished !== undefined) return;
    const { config, log, predecessor } = this.#options;
    this.#watch.cancel();
    // The other one listens there, too. Answers that are under way come first: they are to say that the connector is ready.
    const finish = async (): Promise<number> => {
      await this.connector.closeMetrics();
      return this.connector.drain(config.reloadGraceMs ?? Infinity);
    };
    this.#finished = finish();
    log.info('finishing the streams that are open');
    void this.#finished.then((cut) => {
      if (cut === 0) log.info('all streams of this process have ended');
      else log.warn({ [FIELD.count]: cut }, 'streams that outlasted the grace period were cut');
      if (predecessor?.isParent === true) this.#ended.resolve(EXIT.done);
    });
  }

  /**
   * The process that took over has ended by itself. Somebody must take new streams while there are old ones; where there are none,
   * whoever started us decides what to do, by the exit status.
   */
  async #replaceActive(status: number): Promise<void> {
    if (this.#isStopping) return;
    const isBusy = this.connector.replica.streamCount > 0 || this.#succession.drainingCount > 0;
    if (isBusy && status !== EXIT.done) {
      const replaced = await this.reload().catch(() => undefined);
      if (replaced !== undefined) return;
    }
    await this.drain(this.#options.config.gracePeriodMs);
    this.#ended.resolve(status);
  }
}

/** Reloads when SIGHUP comes; what becomes of it is in the log. Takes the signal over at once. */
export function reloadOnHangUp(log: () => Log | undefined, reload: () => Promise<unknown>): void {
  process.on('SIGHUP', () => {
    reload().catch((error: unknown) => {
      log()?.debug({ [FIELD.reason]: messageOf(error) }, 'SIGHUP came to nothing');
    });
  });
}
