/**
 * The process that a connector starts to take over from it: the code, the configuration and the token that are on disk now.
 * docs/decisions/0022.
 *
 * It has our arguments, environment and standard files, and a channel to talk over. It counts once it says `registered`; one that
 * does not get so far is ended, and nothing has changed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { isPosternError, messageOf, PosternError } from '../../../core/error.ts';
import { LIMITS } from '../../../core/limits.ts';
import { withResolvers } from '../../../core/with-resolvers.ts';
import { readError, writeError } from '../../../core/written-error.ts';
import { sendHandle, type ListeningHandle } from '../../../supervisor/listening-handle.ts';
import { EXIT } from '../../exit-code.ts';
import { childCommand } from '../../own-program.ts';
import {
  parseSuccessorMessage,
  type ConnectorRunInfo,
  type PredecessorMessage,
  type ReloadOutcome,
  type SuccessorMessage,
} from './hand-over-message.ts';

/** Set for a process that is started as a successor, which takes it out of its environment. */
export const SUCCESSOR_MARK = 'POSTERN_SUCCESSOR';

/** A listener that is given to a successor. */
export interface LentListener {
  readonly handle: ListeningHandle;
  /** It has been given. */
  release(): void;
}

export interface SuccessorOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Program and arguments. Default: what this process was started with. */
  readonly command?: readonly [string, ...string[]];
  /** How long the first link may take, ms. Default LIMITS.handOverMs. */
  readonly timeoutMs?: number;
  /** The metrics listener for an address as the configuration writes it, where there is one. */
  lend(address: string): Promise<LentListener | undefined>;
  /** It was asked to reload. */
  reload(): Promise<ReloadOutcome>;
  /** It has a successor of its own. */
  onSucceeded(): void;
}

export class Successor {
  /** Resolves once it takes streams. Rejects with its error; it is then on its way out. */
  readonly registered: Promise<ConnectorRunInfo>;
  /** Resolves with its exit status once it is gone. */
  readonly exited: Promise<number>;
  readonly #options: SuccessorOptions;
  readonly #child: ChildProcess;
  readonly #timer: NodeJS.Timeout;
  #isOver = false;
  #isLinked = false;
  #trouble: PosternError | undefined;
  #onRegistered: (run: ConnectorRunInfo) => void;
  #onFailed: (error: PosternError) => void;
  #onLent: ((handle: ListeningHandle | undefined) => void) | undefined;

  constructor(options: SuccessorOptions) {
    this.#options = options;
    const [program, ...args] = options.command ?? childCommand(process.argv.slice(2));
    const exited = withResolvers<number>();
    const registered = withResolvers<ConnectorRunInfo>();
    this.exited = exited.promise;
    this.registered = registered.promise;
    // Whoever starts one waits for it; an error that comes when nobody waits any more is in the log of that process.
    this.registered.catch(() => undefined);
    this.#onRegistered = registered.resolve;
    this.#onFailed = (error) => registered.reject(error);
    this.#child = spawn(program, args, {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...options.env, [SUCCESSOR_MARK]: '1' },
    });
    this.#child.on('message', (message, handle) => this.#onMessage(message, handle));
    const gone = (status: number, error: PosternError): void => {
      this.#isOver = true;
      clearTimeout(this.#timer);
      this.#onFailed(error);
      this.#onLent?.(undefined);
      exited.resolve(status);
    };
    this.#child.on('error', (cause) => {
      // Also for an order that did not reach it, which its end will tell.
      if (this.#child.pid !== undefined) return;
      gone(EXIT.failed, failure(`it cannot be started: ${messageOf(cause)}`, cause));
    });
    this.#child.on('exit', (code, signal) => {
      const status = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      gone(status, failure(`the new process ended with ${signal ?? code}; its output says why`));
    });
    const { timeoutMs = LIMITS.handOverMs } = options;
    this.#timer = setTimeout(() => this.#timedOut(timeoutMs), timeoutMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Gives an order. Nothing happens when it is gone. */
  order(type: 'replaced' | 'drain' | 'stop'): void {
    this.#send({ type });
  }

  /** Lets it be the main process of the service, with nobody above it; `draining` are control sockets. */
  makeMain(draining: readonly string[]): void {
    this.#send({ type: 'main', draining });
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Its metrics listener, when it is for this address. */
  async lend(address: string): Promise<LentListener | undefined> {
    const handle = await new Promise<ListeningHandle | undefined>((resolve) => {
      this.#onLent = resolve;
      this.#send({ type: 'lend', address });
      setTimeout(resolve, LIMITS.handOverAnswerMs, undefined).unref();
      if (this.#isOver) resolve(undefined);
    });
    return handle && { handle, release: () => handle.close() };
  }

  /** Ends it without asking. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #onMessage(value: unknown, handle: unknown): void {
    const message = parseSuccessorMessage(value);
    if (message !== undefined) this.#understood(message, handle);
  }

  #understood(message: SuccessorMessage, handle: unknown): void {
    switch (message.type) {
      case 'listener':
        void this.#giveListener(message.address);
        return;
      case 'lent':
        // What comes with it is what the module that sent it calls a handle.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        this.#onLent?.(message.isThere ? (handle as ListeningHandle | undefined) : undefined);
        return;
      case 'linked':
        this.#linked();
        return;
      case 'registered':
        clearTimeout(this.#timer);
        this.#onRegistered(message.run);
        return;
      case 'trouble':
        this.#trouble = readError(message);
        return;
      case 'failed':
        this.#fail(readError(message));
        return;
      case 'reload':
        void this.#reload();
        return;
      case 'succeeded':
        this.#options.onSucceeded();
    }
  }

  async #giveListener(address: string): Promise<void> {
    const lent = await this.#options.lend(address).catch(() => undefined);
    if (lent === undefined) {
      this.#send({ type: 'listener', isThere: false });
      return;
    }
    const message: PredecessorMessage = { type: 'listener', isThere: true };
    if (this.#child.connected) sendHandle(this.#child, message, lent.handle, () => lent.release());
    else lent.release();
  }

  async #reload(): Promise<void> {
    try {
      this.#send({ type: 'reloaded', outcome: await this.#options.reload() });
    } catch (error) {
      const ours = isPosternError(error) ? error : failure(messageOf(error), error);
      this.#send({ type: 'not-reloaded', ...writeError(ours) });
    }
  }

  /** It may carry streams from now on: it is given the time that it takes for the rest. */
  #linked(): void {
    if (this.#isLinked) return;
    this.#isLinked = true;
    this.#timer.refresh();
  }

  #timedOut(timeoutMs: number): void {
    const why = this.#trouble === undefined ? '' : `: ${this.#trouble.message}`;
    const message = `Cannot reload: the new process was not registered within ${timeoutMs / 1000} s${why}`;
    this.#fail(new PosternError(this.#trouble?.code ?? 'CLI_FAILED', message));
  }

  #fail(error: PosternError): void {
    clearTimeout(this.#timer);
    this.#onFailed(error);
    this.kill();
  }

  #send(message: PredecessorMessage): void {
    // One that is gone says so by its end.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}

function failure(why: string, cause?: unknown): PosternError {
  return new PosternError('CLI_FAILED', `Cannot reload: ${why}`, { cause });
}
