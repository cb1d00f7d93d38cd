/** A supervisor in this process with real workers, whose program is a file that a test can change. */
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';

import { LIMITS } from '../../../src/core/limits.ts';
import { SdNotify } from '../../../src/supervisor/sd-notify.ts';
import { Supervisor } from '../../../src/supervisor/supervisor.ts';
import type { WorkerStatus } from '../../../src/supervisor/supervisor-status.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { sendSignal } from '../../support/processes.ts';
import { freePort } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';

const PROGRAM = resolve(import.meta.dirname, '../../support/fixture-worker.js');

/** What a worker does: see fixture-worker.js. */
interface Plan {
  readonly sockets?: readonly object[];
  readonly failure?: { readonly code: string; readonly message: string };
  readonly isStuck?: boolean;
  readonly exit?: number;
  readonly version?: string;
  readonly configText?: string;
  readonly cut?: number;
}

export class SupervisorLab {
  readonly clock = new FakeClock();
  readonly supervisor: Supervisor;
  readonly log: Record<string, unknown>[] = [];
  readonly port: number;
  readonly #file = join(tempDir('supervisor'), 'plan.json');

  private constructor(port: number, env: NodeJS.ProcessEnv, notify: SdNotify) {
    this.port = port;
    const write = (line: string): void => void this.log.push(JSON.parse(line));
    this.supervisor = new Supervisor({
      command: { file: process.execPath, args: [PROGRAM, this.#file], env },
      clock: this.clock,
      notify,
      createLog: (settings) =>
        createLog({ ...settings, component: 'supervisor', destination: { write } }),
    });
    this.onDisk({});
    cleanup(async () => this.supervisor.stop());
  }

  static async make(env = process.env, notify = new SdNotify({ env: {} })): Promise<SupervisorLab> {
    return new SupervisorLab(await freePort(), env, notify);
  }

  /** With a first worker that serves. */
  static async start(plan: Plan = {}): Promise<SupervisorLab> {
    const lab = await SupervisorLab.make();
    lab.onDisk(plan);
    await lab.supervisor.start();
    return lab;
  }

  /** Changes the program of the workers to come. By default it listens on `port`. */
  onDisk(plan: Plan): void {
    const sockets = [{ name: 'web', place: { host: '127.0.0.1', port: this.port } }];
    writeFileSync(this.#file, JSON.stringify({ sockets, ...plan }));
  }

  /** The workers that live, by generation and state, such as `2 active`. */
  async workers(): Promise<string[]> {
    return (await this.#statuses()).map(({ generation, state }) => `${generation} ${state}`);
  }

  /** What the worker that serves says of itself. */
  async work(): Promise<Record<string, unknown>> {
    const active = (await this.#statuses()).find(({ state }) => state === 'active');
    return Object(active?.work);
  }

  /** Process id of the worker that serves. */
  async pid(): Promise<number> {
    const active = (await this.#statuses()).find(({ state }) => state === 'active');
    if (active === undefined) throw new Error('Cannot name the worker: none serves');
    return active.pid;
  }

  /** Stops the process of the worker that serves, as if it hung. The clean-up lets it go on: it could not end, and nor could the supervisor. */
  async hang(): Promise<number> {
    const pid = await this.pid();
    sendSignal(pid, 'SIGSTOP');
    cleanup(() => sendSignal(pid, 'SIGCONT'));
    return pid;
  }

  /** Waits until the workers are these. */
  async become(...workers: readonly string[]): Promise<void> {
    await eventually(async () => {
      const seen = (await this.workers()).join(', ');
      if (seen !== workers.join(', ')) throw new Error(seen);
    });
  }

  /** Waits until the log says so. */
  async says(msg: string): Promise<Record<string, unknown>> {
    const said = () => this.log.find((line) => line['msg'] === msg);
    await eventually(() => said() !== undefined, { what: msg });
    return said() ?? {};
  }

  /** Lets the waits before a new worker pass until there is one. */
  async restarted(...workers: readonly string[]): Promise<void> {
    const look = async (): Promise<void> => {
      await this.letRestart();
      const seen = (await this.workers()).join(', ');
      if (seen !== workers.join(', ')) throw new Error(seen);
    };
    await eventually(look, { deadlineMs: 20_000 });
  }

  /** Lets the longest wait before a new worker pass, unless one is being started, which has a limit of its own. */
  async letRestart(): Promise<void> {
    const isStarting = (await this.workers()).some((worker) => worker.endsWith('starting'));
    if (isStarting) return;
    // As if asleep: those that live beat in real time.
    this.clock.freeze(LIMITS.workerRestartMs);
    this.clock.run(0);
  }

  /** A connection that a drain waits for. */
  async hold(port = this.port): Promise<Visitor> {
    const visitor = new Visitor(port);
    await visitor.generation;
    visitor.socket.write('hold');
    await eventually(async () => Number((await this.work())['held']) > 0);
    return visitor;
  }

  /** The generation that answers a new connection. */
  async answer(port = this.port): Promise<string> {
    const visitor = new Visitor(port);
    const generation = await visitor.generation;
    visitor.socket.destroy();
    return generation;
  }

  async #statuses(): Promise<readonly WorkerStatus[]> {
    return (await this.supervisor.status()).workers;
  }
}

/** A connection, and who answered it. */
export class Visitor {
  readonly socket: Socket;
  readonly generation: Promise<string>;
  readonly closed: Promise<void>;

  constructor(port: number) {
    const socket = connect(port, '127.0.0.1');
    this.socket = socket;
    cleanup(() => socket.destroy());
    this.generation = new Promise((done, fail) => {
      socket.once('data', (chunk) => done(String(chunk)));
      socket.once('error', fail);
    });
    this.generation.catch(() => undefined);
    this.closed = new Promise((done) => socket.once('close', () => done()));
  }
}
