/**
 * The workers of a supervisor, and what all of them share: the sockets, the keys of session tickets, and a configuration
 * that worked. Starts one, makes one active, gets one back from its drain; when to do so is not decided here.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../core/clock.ts';
import { PosternError } from '../core/error.ts';
import { LIMITS } from '../core/limits.ts';
import { withResolvers, type Resolvers } from '../core/with-resolvers.ts';
import { HeldSockets } from './held-sockets.ts';
import type { ListeningHandle } from './listening-handle.ts';
import type { InheritedSocket } from './systemd-sockets.ts';
import { errorOf } from './worker-channel.ts';
import { MESSAGE_VERSION, type WorkerMessage } from './worker-message.ts';
import { WorkerProcess, type WorkerCommand } from './worker-process.ts';

export interface WorkersOptions {
  readonly command: WorkerCommand;
  readonly clock: Clock;
  /** Sockets that systemd passed. */
  readonly inherited?: readonly InheritedSocket[];
  /** What is not for the workers as a whole: calls, and the end of a drain. */
  onMessage(worker: WorkerProcess, message: WorkerMessage): void;
  /** One is gone; `how` says it in words. */
  onExit(worker: WorkerProcess, how: string): void;
}

/** Bytes that Node wants for keys of session tickets. */
const TICKET_KEY_BYTES = 48;

export class Workers {
  readonly sockets: HeldSockets;
  readonly #options: WorkersOptions;
  readonly #ticketKeys = randomBytes(TICKET_KEY_BYTES).toString('base64');
  #all: WorkerProcess[] = [];
  #generation = 0;
  /** Who is waited for until it is ready, or back. */
  #awaited: { readonly worker: WorkerProcess; readonly done: Resolvers<void> } | undefined;
  #goodConfigText: string | undefined;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.sockets = new HeldSockets(options.clock, options.inherited);
  }

  /** All that have not ended, the oldest first. */
  get all(): readonly WorkerProcess[] {
    return this.#all;
  }

  get active(): WorkerProcess | undefined {
    return this.#all.find(({ state }) => state === 'active');
  }

  /** Those that end what they have. */
  get draining(): readonly WorkerProcess[] {
    return this.#all.filter(({ state, isDrained }) => state === 'draining' && !isDrained);
  }

  /** Those whose event loop must turn: one that starts reads its code, and has a limit of its own. */
  get beating(): readonly WorkerProcess[] {
    return this.#all.filter(({ state }) => state !== 'starting');
  }

  /** Text of the configuration of the last worker that was active. */
  get goodConfigText(): string | undefined {
    return this.#goodConfigText;
  }

  /** Starts one and waits until it is ready. Rejects with what it says, else RELOAD_FAILED, when it does not get there. */
  async start(configText?: string): Promise<WorkerProcess> {
    const { command, clock } = this.#options;
    this.#generation += 1;
    const worker = new WorkerProcess({
      command,
      generation: this.#generation,
      since: clock.wall(),
      events: {
        onMessage: (message) => this.#received(worker, message, configText),
        onExit: (how) => this.#exited(worker, how),
      },
    });
    this.#all.push(worker);
    try {
      await this.#until(worker, 'get ready');
      return worker;
    } catch (error) {
      worker.kill();
      await worker.exited;
      throw error;
    }
  }

  /** Takes its drain back. Rejects with RELOAD_FAILED when it is too late. */
  async resume(worker: WorkerProcess): Promise<WorkerProcess> {
    worker.send({ type: 'resume' });
    await this.#until(worker, 'take its sockets again');
    return worker;
  }

  /** Makes it the one that takes what is new; the one that was it drains. */
  promote(worker: WorkerProcess, now: number): void {
    const previous = this.active;
    previous?.become('draining', now);
    worker.become('active', now);
    worker.lastBeat = this.#options.clock.now();
    this.#goodConfigText = worker.ready?.configText;
    worker.send({ type: 'active' });
    this.sockets.retain(worker.keys);
    previous?.send({ type: 'drain', reason: 'a successor serves', hasSuccessor: true });
  }

  /** All drain; one that is being started is not waited for. */
  drainAll(reason: string): void {
    const now = this.#options.clock.wall();
    for (const worker of this.#all) {
      if (worker.state === 'starting') worker.kill();
      if (worker.state !== 'active') continue;
      worker.become('draining', now);
      worker.send({ type: 'drain', reason, hasSuccessor: false });
    }
  }

  /** Has one go whose work is over, or who has to go now. */
  end(worker: WorkerProcess): void {
    worker.send({ type: 'end' });
    const late = this.#options.clock.after(LIMITS.workerEndMs, () => worker.kill());
    void worker.exited.then(() => late.cancel());
  }

  endAll(): void {
    for (const worker of this.#all) this.end(worker);
  }

  async #until(worker: WorkerProcess, what: string): Promise<void> {
    const done = withResolvers<void>();
    this.#awaited = { worker, done };
    const late = this.#afterLimit(() => {
      const why = `it did not ${what} in ${LIMITS.workerReadyMs / 1000} s`;
      done.reject(new PosternError('RELOAD_FAILED', `Cannot start the worker: ${why}`));
    });
    try {
      await done.promise;
    } finally {
      late?.cancel();
      this.#awaited = undefined;
    }
  }

  /** The first worker may take as long as it needs: nothing is there to go on with. */
  #afterLimit(callback: () => void): Timer | undefined {
    if (this.#goodConfigText === undefined) return undefined;
    return this.#options.clock.after(LIMITS.workerReadyMs, callback);
  }

  #received(worker: WorkerProcess, message: WorkerMessage, configText: string | undefined): void {
    worker.lastBeat = this.#options.clock.now();
    const awaited = this.#awaited?.worker === worker ? this.#awaited.done : undefined;
    switch (message.type) {
      case 'hello':
        this.#welcome(worker, configText);
        break;
      case 'socket':
        worker.answerSocket(message.id, this.#openSocket(worker, message));
        break;
      case 'ready':
        worker.ready = message;
        awaited?.resolve();
        break;
      case 'resumed':
        awaited?.resolve();
        break;
      case 'failed':
        awaited?.reject(errorOf(message));
        break;
      case 'config':
        if (worker.ready !== undefined)
          worker.ready = { ...worker.ready, ...message, type: 'ready' };
        if (worker === this.active) this.#goodConfigText = message.configText;
        break;
      default:
        if (message.type === 'drained') awaited?.reject(tooLate('its work is over'));
        this.#options.onMessage(worker, message);
    }
  }

  #welcome(worker: WorkerProcess, configText: string | undefined): void {
    const { generation } = worker;
    worker.send({
      type: 'welcome',
      version: MESSAGE_VERSION,
      generation,
      isSuccessor: generation > 1,
      ticketKeys: this.#ticketKeys,
      ...(configText !== undefined && { configText }),
    });
  }

  async #openSocket(
    worker: WorkerProcess,
    request: Extract<WorkerMessage, { type: 'socket' }>,
  ): Promise<ListeningHandle> {
    const { key, handle } = await this.sockets.open(request);
    worker.keys.add(key);
    return handle;
  }

  #exited(worker: WorkerProcess, how: string): void {
    this.#all = this.#all.filter((one) => one !== worker);
    if (this.#awaited?.worker === worker) {
      this.#awaited.done.reject(tooLate(`it ended with ${how}`));
    }
    this.#options.onExit(worker, how);
  }
}

function tooLate(why: string): PosternError {
  return new PosternError('RELOAD_FAILED', `Cannot start the worker: ${why}`);
}
