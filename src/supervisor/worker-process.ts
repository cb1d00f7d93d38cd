/**
 * One worker of a supervisor: its process, its channel, and what the supervisor knows of it.
 *
 * Its standard output and error are ours. It gets nothing of what is meant for the supervisor alone: no notify socket, no
 * watchdog, no descriptors but the sockets that it asks for.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { codeOf } from '../core/error.ts';
import type { ListeningHandle } from './listening-handle.ts';
import { errorMessage, WorkerChannel, type CallResult } from './worker-channel.ts';
import type { Ready, SupervisorMessage, WorkerMessage } from './worker-message.ts';

/** How a worker is started. */
export interface WorkerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** `starting` until it is ready, `active` while it takes what is new, `draining` while it ends what it has. */
export type WorkerState = 'starting' | 'active' | 'draining';

export interface WorkerEvents {
  onMessage(message: WorkerMessage): void;
  /** The process is gone; `how` says it in words. Called once. */
  onExit(how: string): void;
}

export interface WorkerProcessOptions {
  readonly command: WorkerCommand;
  readonly generation: number;
  /** Wall clock, ms. */
  readonly since: number;
  readonly events: WorkerEvents;
}

/** Variables that are for the process that systemd started. */
const OWN_VARIABLES = /^(NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|LISTEN_(PID|FDS|FDNAMES))$/;

export class WorkerProcess {
  readonly generation: number;
  /** What it said when it was ready. */
  ready: Ready | undefined;
  /** Keys of the sockets that it asked for. */
  readonly keys = new Set<string>();
  /** When it was last heard of, on the monotonic clock, ms. */
  lastBeat = 0;
  /** Whether it said that it has nothing left to do. */
  isDrained = false;
  readonly #child: ChildProcess;
  readonly #channel: WorkerChannel<WorkerMessage, SupervisorMessage>;
  readonly #exited: Promise<void>;
  #state: WorkerState = 'starting';
  #since: number;
  #isGone = false;

  constructor({ command, generation, since, events }: WorkerProcessOptions) {
    this.generation = generation;
    this.#since = since;
    const { file, args, env } = command;
    const names = Object.keys(env).filter((name) => !OWN_VARIABLES.test(name));
    this.#child = spawn(file, args, {
      env: Object.fromEntries(names.map((name) => [name, env[name]])),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#channel = new WorkerChannel<WorkerMessage, SupervisorMessage>(this.#child, {
      onMessage: (message) => events.onMessage(message),
      onClosed: () => undefined,
    });
    this.#exited = this.#watchExit(events);
  }

  /** 0 when it could not even be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Since when it is in its state; wall clock, ms. */
  get since(): number {
    return this.#since;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Resolves when the process is gone. Never rejects. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  become(state: WorkerState, since: number): void {
    this.#state = state;
    this.#since = since;
  }

  /** Sends a message; nothing happens when it is gone. */
  send(message: SupervisorMessage): void {
    this.#channel.send(message);
  }

  /** Asks what it does. Rejects when it goes away; a worker that hangs never answers. */
  async status(): Promise<unknown> {
    const answered: CallResult = await this.#channel.call((id) => ({
      type: 'call',
      id,
      call: 'status',
    }));
    return answered.result;
  }

  /** Answers a call of its, when that has an outcome. */
  answer(id: number, outcome: Promise<unknown>): void {
    outcome.then(
      (result) => this.send({ type: 'answer', id, result }),
      (error: unknown) => this.send({ type: 'answer', id, error: errorMessage(error) }),
    );
  }

  /** Gives it the socket that it asked for. */
  answerSocket(id: number, opening: Promise<ListeningHandle>): void {
    opening.then(
      (handle) => this.#channel.send({ type: 'answer', id }, handle),
      (error: unknown) => this.send({ type: 'answer', id, error: errorMessage(error) }),
    );
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #watchExit(events: WorkerEvents): Promise<void> {
    const child = this.#child;
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(signal === null ? `exit status ${code ?? 1}` : signal);
      });
      child.once('error', (error) => {
        // Also said when a signal cannot be sent, and the process lives.
        if (child.pid === undefined)
          resolve(`it cannot be started: ${codeOf(error) ?? error.message}`);
      });
    });
    const how = await ended;
    // What it said last arrives before this.
    if (child.connected) await once(child, 'disconnect').catch(() => undefined);
    this.#isGone = true;
    events.onExit(how);
  }
}
