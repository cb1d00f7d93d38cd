/**
 * What a program tells the systemd that started it: ready, reloading, stopping, still alive, who the main process is now.
 *
 * Node has no Unix datagram sockets, so each notice is one short run of `systemd-notify`, which waits until systemd has
 * read it; the unit therefore has `NotifyAccess=all`. Notices arrive in the order of the calls. Nothing here throws or
 * blocks a program's work: without NOTIFY_SOCKET nothing is done, a notice that cannot be sent is given up after
 * `LIMITS.noticeMs` and reported once. sd_notify(3), sd_watchdog_enabled(3); docs/decisions/0024.
 */
import { execFile } from 'node:child_process';
import { LIMITS } from '../core/limits.ts';

/** How many times the watchdog hears from us in the time after which it would kill us: one may be late. */
const BEATS_PER_WATCHDOG = 3;

export interface SdNotifyOptions {
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Whose watchdog is meant. Default: this process. */
  readonly pid?: number;
  /** Called once, with what went wrong, when a notice cannot be sent. */
  readonly onFailure?: (error: Error) => void;
}

export class SdNotify {
  /** How often watchdog() is to be called, ms; undefined when systemd watches nobody, or another process. */
  readonly watchdogEveryMs: number | undefined;
  readonly #env: NodeJS.ProcessEnv;
  readonly #onFailure: (error: Error) => void;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  #isBeatWaiting = false;
  #hasFailed = false;

  constructor(options: SdNotifyOptions = {}) {
    const { env = process.env, pid = process.pid, onFailure = () => undefined } = options;
    this.#env = env;
    this.#onFailure = onFailure;
    this.watchdogEveryMs = this.isEnabled ? watchdogEveryMs(env, pid) : undefined;
  }

  /** Whether systemd, or something that speaks like it, waits for notices. */
  get isEnabled(): boolean {
    return (this.#env['NOTIFY_SOCKET'] ?? '') !== '';
  }

  /** All that was promised is there: `systemctl start` and `systemctl reload` end. Resolves once systemd knows, or never will. */
  ready(status?: string): Promise<void> {
    return this.#tell(['READY=1', ...statusLine(status)]);
  }

  /** A hand-over has begun; ready() ends it, also when it failed. */
  reloading(status?: string): Promise<void> {
    return this.#tell(['RELOADING=1', ...statusLine(status)]);
  }

  /** The drain has begun. */
  stopping(status?: string): Promise<void> {
    return this.#tell(['STOPPING=1', ...statusLine(status)]);
  }

  /** One line for people in `systemctl status`. */
  status(text: string): Promise<void> {
    return this.#tell(statusLine(text));
  }

  /**
   * Another process of this service is the main one from now on: a successor that is ready. Call before this one ends.
   * The successor's environment must be `successorEnv()`, or the watchdog would wait for a process that is gone.
   */
  mainPid(pid: number): Promise<void> {
    return this.#tell([`MAINPID=${pid}`, 'WATCHDOG=1']);
  }

  /** The watched loop works. Dropped when an earlier one is not through yet. */
  async watchdog(): Promise<void> {
    if (this.#isBeatWaiting) return;
    this.#isBeatWaiting = true;
    await this.#tell(['WATCHDOG=1']);
    this.#isBeatWaiting = false;
  }

  /** The environment for a successor that is to feed the same watchdog: WATCHDOG_PID names this process and is left out. */
  successorEnv(): NodeJS.ProcessEnv {
    const { WATCHDOG_PID: _, ...env } = this.#env;
    return env;
  }

  #tell(lines: readonly string[]): Promise<void> {
    if (!this.isEnabled || lines.length === 0) return Promise.resolve();
    if (this.#waiting >= LIMITS.noticesWaiting) return Promise.resolve();
    this.#waiting += 1;
    this.#last = this.#last.then(() => this.#run(lines));
    return this.#last;
  }

  #run(lines: readonly string[]): Promise<void> {
    const { PATH, NOTIFY_SOCKET } = this.#env;
    const options = { env: { PATH, NOTIFY_SOCKET }, timeout: LIMITS.noticeMs };
    return new Promise((resolve) => {
      // KILL, because it has nothing to tidy up and must not outlive the bound.
      execFile('systemd-notify', lines, { ...options, killSignal: 'SIGKILL' }, (error) => {
        this.#waiting -= 1;
        if (error !== null) this.#failed(error);
        resolve();
      });
    });
  }

  #failed(error: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailure(error);
  }
}

/** Control characters would end the line, and with it the notice. */
function statusLine(text: string | undefined): string[] {
  // oxlint-disable-next-line no-control-regex
  return text === undefined ? [] : [`STATUS=${text.replaceAll(/[\u0000-\u001F\u007F]+/g, ' ')}`];
}

/** sd_watchdog_enabled(3): the variable counts for the process that WATCHDOG_PID names, or for any where it names none. */
function watchdogEveryMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { WATCHDOG_PID, WATCHDOG_USEC = '' } = env;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  if (!/^[1-9]\d{0,18}$/.test(WATCHDOG_USEC)) return undefined;
  return Math.max(1, Math.floor(Number(WATCHDOG_USEC) / 1000 / BEATS_PER_WATCHDOG));
}
