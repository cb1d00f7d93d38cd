/**
 * What a connector tells the systemd that runs it. While it is the main process, its own event loop feeds the watchdog: a connector
 * whose loop stands still carries nothing. docs/decisions/0022 and 0024.
 */
import { messageOf } from '../../core/error.ts';
import { SdNotify } from '../../supervisor/sd-notify.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import type { Log } from '../../telemetry/log.ts';

export class ServiceNotices {
  readonly #notify: SdNotify;
  #hasFailed = false;
  #isMain = false;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(log: Log, env: NodeJS.ProcessEnv = process.env) {
    this.#notify = new SdNotify({
      env,
      onFailure: (error) => {
        this.#hasFailed = true;
        log.warn({ [FIELD.reason]: messageOf(error) }, 'systemd cannot be told');
      },
    });
  }

  /** The environment for a successor. */
  get successorEnv(): NodeJS.ProcessEnv {
    return this.#notify.successorEnv();
  }

  /** This process is the main one of the service: what it says counts, and its loop is watched. */
  beMain(): void {
    this.#isMain = true;
    const everyMs = this.#notify.watchdogEveryMs;
    if (everyMs === undefined || this.#watchdog !== undefined) return;
    void this.#notify.watchdog();
    this.#watchdog = setInterval(() => void this.#notify.watchdog(), everyMs).unref();
  }

  ready(status: string): void {
    if (this.#isMain) void this.#notify.ready(status);
  }

  reloading(): void {
    if (this.#isMain) void this.#notify.reloading('a new process is started');
  }

  stopping(): void {
    if (this.#isMain) void this.#notify.stopping('finishing the streams that are open');
  }

  /**
   * Makes a process the main one. False where nobody keeps the book of that: no systemd, or one outside of a container of which
   * this process is the first, and which would end with it.
   */
  async makeMain(pid: number): Promise<boolean> {
    if (!this.#notify.isEnabled || process.pid === 1) return false;
    await this.#notify.mainPid(pid);
    if (this.#hasFailed) return false;
    if (pid !== process.pid) this.release();
    return true;
  }

  /** Says nothing more. */
  release(): void {
    this.#isMain = false;
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
  }
}
