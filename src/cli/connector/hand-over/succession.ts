/**
 * The processes that a connector started to take over from it, one after the other. docs/decisions/0022.
 *
 * At most one is being started, at most one takes new streams, the others finish what they have. This process is the parent of them
 * all, so that many reloads do not pile up processes; under systemd it lets go of the first one, which carries on from there.
 */
import { messageOf, PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { FIELD } from '../../../telemetry/log-field.ts';
import type { Log } from '../../../telemetry/log.ts';
import type { ListeningHandle } from '../../../supervisor/listening-handle.ts';
import type { ConnectorRunInfo, ReloadOutcome } from './hand-over-message.ts';
import { Successor, type LentListener } from './successor.ts';

export interface SuccessionOptions {
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** Program and arguments of successors. Default: what this process was started with. */
  readonly command?: readonly [string, ...string[]];
  /** Our own metrics listener, while we have it. */
  lend(address: string): ListeningHandle | undefined;
  /** A successor was asked to reload. */
  reload(): Promise<ReloadOutcome>;
  /** The one that takes new streams ended, though nobody of us told it to. */
  onActiveEnded(status: number): void;
}

/** A successor that takes streams now. */
interface Started {
  readonly run: ConnectorRunInfo;
  /** Process id of the successor that did so before. */
  readonly before: number | undefined;
}

export class Succession {
  readonly #options: SuccessionOptions;
  /** Those that are there, with the one that starts. */
  readonly #successors = new Set<Successor>();
  #starting: Successor | undefined;
  #active: Successor | undefined;
  /** Whether the active one is on its own: our end is none of its business. */
  #isLetGo = false;
  #isStopping = false;

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** The process that takes the new streams, where a successor does. */
  get activePid(): number | undefined {
    return this.#active?.pid;
  }

  /** Whether that one is the main process of the service, on its own. */
  get isLetGo(): boolean {
    return this.#isLetGo;
  }

  /** Successors that only finish what they have. */
  get drainingCount(): number {
    return [...this.#successors].filter((one) => one !== this.#active && one !== this.#starting)
      .length;
  }

  /**
   * Starts one and waits until it takes streams; the one that did so before, if it was one of them, is told to finish. `others` still
   * drain besides. Rejects with its error, and nothing has changed then.
   */
  async startNext(others: number): Promise<Started> {
    if (this.#isStopping) throw refusal('it is asked to stop');
    const limit = LIMITS.drainingConnectors;
    if (this.drainingCount + others >= limit) {
      const remedy = 'SIGTERM to one of them lets it end within the grace period';
      throw refusal(
        `${limit} earlier processes still finish their streams; ${remedy}`,
        'RELOAD_BUSY',
      );
    }
    const successor: Successor = new Successor({
      env: this.#options.env,
      ...(this.#options.command && { command: this.#options.command }),
      lend: async (address) => this.#lend(address),
      reload: async () => this.#options.reload(),
      onSucceeded: () => this.#forget(successor),
    });
    this.#starting = successor;
    this.#successors.add(successor);
    void successor.exited.then((status) => this.#exited(successor, status));
    try {
      const run = await successor.registered;
      const before = this.#active;
      this.#active = successor;
      before?.order('replaced');
      return { run, before: before?.pid };
    } finally {
      this.#starting = undefined;
    }
  }

  /** Leaves the active one alone: it is the main process of the service. `draining` are the control sockets of those before it. */
  letGo(draining: readonly string[]): void {
    this.#isLetGo = true;
    this.#active?.makeMain(draining);
  }

  /** Has all of them drain for the grace period, and starts no more. Resolves with the status of the last one that was active. */
  async drain(): Promise<number | undefined> {
    return this.#end('drain');
  }

  /** Ends all of them at once. Resolves when they are gone. */
  async stop(): Promise<number | undefined> {
    return this.#end('stop');
  }

  async #end(order: 'drain' | 'stop'): Promise<number | undefined> {
    this.#isStopping = true;
    this.#starting?.kill();
    const active = this.#isLetGo ? undefined : this.#active;
    const ours = [...this.#successors].filter((one) => one === active || one !== this.#active);
    for (const successor of ours) successor.order(order);
    await Promise.all(ours.map(({ exited }) => exited));
    return active?.exited;
  }

  async #lend(address: string): Promise<LentListener | undefined> {
    if (this.#active !== undefined) return this.#active.lend(address);
    const handle = this.#options.lend(address);
    return handle && { handle, release: () => undefined };
  }

  #forget(successor: Successor): void {
    this.#successors.delete(successor);
    if (this.#active === successor) this.#active = undefined;
  }

  #exited(successor: Successor, status: number): void {
    const isActive = this.#active === successor && !this.#isStopping;
    const fields = { [FIELD.process]: successor.pid, [FIELD.reason]: `status ${status}` };
    if (isActive) this.#options.log.error(fields, 'the process that took over has ended');
    else this.#options.log.info(fields, 'a connector process has ended');
    this.#successors.delete(successor);
    if (!isActive) return;
    this.#active = undefined;
    this.#isLetGo = false;
    this.#options.onActiveEnded(status);
  }
}

/** The error of a reload that is not even tried. */
export function refusal(
  why: unknown,
  code: 'CLI_FAILED' | 'RELOAD_BUSY' = 'CLI_FAILED',
): PosternError {
  return new PosternError(code, `Cannot reload the connector: ${messageOf(why)}`);
}
