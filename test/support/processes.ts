/**
 * Child processes of tests: started, watched, measured, and ended by their own process id, always.
 *
 * Every process is stopped by the clean-up of the test or file that started it. Should the test runner itself be
 * killed, the kernel kills the child (`setpriv --pdeathsig`, where there is one), so nothing outlives a run.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import { CapturedOutput, type OutputLine } from './captured-output.ts';
import { currentScope, type CleanupScope } from './cleanup.ts';
import { showOnFailure } from './failure-log.ts';
import { findTool } from './tools.ts';

export interface ProcessOptions {
  /** Heading of its output when a test fails. Default: the program and its first argument. */
  readonly name?: string;
  /** Variables laid over this process's environment; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Runs it as another user. Only for root, and only where setpriv exists. */
  readonly user?: string;
  /** Whose clean-up stops it. Default: the running test's, or the file's when no test runs. */
  readonly scope?: CleanupScope;
  /** How long `stop` waits before it kills, in ms. Default 10_000. */
  readonly graceMs?: number;
  /** Descriptors of ours that it gets as 3 and on. */
  readonly descriptors?: readonly number[];
}

export interface ProcessExit {
  /** The exit status; null when a signal ended it. 127: it could not be started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long a process whose descendants hold its output open may keep `exited` waiting, in ms. */
const OUTPUT_DRAIN_MS = 1000;

export class TestProcess {
  readonly name: string;
  readonly output = new CapturedOutput();
  /** Resolves when it has ended and its output was read. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  readonly #graceMs: number;
  #exit: ProcessExit | undefined;

  constructor(child: ChildProcess, name: string, graceMs: number) {
    this.#child = child;
    this.name = name;
    this.#graceMs = graceMs;
    if (child.stdout) this.output.capture(child.stdout, 'stdout');
    if (child.stderr) this.output.capture(child.stderr, 'stderr');
    this.exited = this.#watchExit();
  }

  /** Throws when it could not be started. */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined)
      throw new Error(`Cannot name the process id of ${this.name}: not started`);
    return pid;
  }

  get stdin(): Writable {
    if (!this.#child.stdin) throw new Error(`Cannot write to ${this.name}: no stdin`);
    return this.#child.stdin;
  }

  /** How it ended, or undefined while it runs. */
  get exit(): ProcessExit | undefined {
    return this.#exit;
  }

  /** All it printed to stdout. */
  get stdout(): string {
    return this.output.text('stdout');
  }

  /** All it printed to stderr. */
  get stderr(): string {
    return this.output.text('stderr');
  }

  /**
   * The match of the first line, printed already or yet to come, on either stream. Rejects with the end of the output
   * at the deadline (default 30_000 ms) or when the process ends without such a line.
   */
  async waitForLine(pattern: RegExp, deadlineMs = 30_000): Promise<RegExpExecArray> {
    const abort = new AbortController();
    let stop: (() => void) | undefined;
    const found = new Promise<RegExpExecArray>((resolve) => {
      const look = ({ text }: OutputLine): void => {
        const match = pattern.exec(text);
        if (match) resolve(match);
      };
      stop = this.output.watch(look);
      this.output.lines.forEach(look);
    });
    const failed = Promise.race([
      this.exited.then(({ code, signal }) => `it ended with ${String(signal ?? code)}`),
      delay(deadlineMs, `not printed in ${deadlineMs} ms`, { signal: abort.signal }),
    ]).then((reason): never => {
      const tail = this.output.text().slice(-4000);
      throw new Error(`Cannot wait for ${String(pattern)} from ${this.name}: ${reason}:\n${tail}`);
    });
    failed.catch(() => undefined);
    try {
      return await Promise.race([found, failed]);
    } finally {
      stop?.();
      abort.abort();
    }
  }

  /** Resident memory now, in bytes, of it and all that it started. */
  rssBytes(): number {
    return this.#statusKib('VmRSS') * 1024;
  }

  /** The largest resident memory that it and those it started, as far as they live, ever had, in bytes. */
  peakRssBytes(): number {
    return this.#statusKib('VmHWM') * 1024;
  }

  /** Process ids of its children that live. Only where there is a /proc. */
  children(): number[] {
    return childrenOf(this.pid);
  }

  /** Sends a signal. No error when it has ended. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /**
   * Ends it: `signal`, then SIGKILL after the grace. Safe to call twice and after it ended. SIGKILL is for all that it
   * started too, as when the machine dies; kill() leaves them.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessExit> {
    if (this.#exit !== undefined) return this.exited;
    if (signal === 'SIGKILL') this.#killAll();
    else this.kill(signal);
    const abort = new AbortController();
    const late = delay(this.#graceMs, undefined, { signal: abort.signal }).then(
      () => this.#killAll(),
      () => undefined,
    );
    const exit = await this.exited;
    abort.abort();
    await late;
    return exit;
  }

  async #watchExit(): Promise<ProcessExit> {
    const child = this.#child;
    const closed = once(child, 'close').catch(() => undefined);
    const ended = new Promise<ProcessExit>((resolve) => {
      child.once('error', () => resolve({ code: 127, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const exit = await ended;
    this.#exit = exit;
    const abort = new AbortController();
    const drained = delay(OUTPUT_DRAIN_MS, undefined, { signal: abort.signal });
    await Promise.race([closed, drained.catch(() => undefined)]);
    abort.abort();
    return exit;
  }

  /** Nothing must be started again by what still runs. */
  #killAll(): void {
    this.kill('SIGSTOP');
    const family = this.#exit === undefined ? familyOf(this.pid) : [];
    this.kill('SIGKILL');
    for (const pid of family.slice(1)) sendSignal(pid, 'SIGKILL');
  }

  #statusKib(key: string): number {
    const sizes = familyOf(this.pid).map((pid) => statusKib(pid, key));
    if (sizes[0] === undefined) throw new Error(`Cannot measure ${this.name}: it has ended`);
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }
}

/** Sends a signal to a process that was started by one of ours. No error when it has ended. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (Reflect.get(Object(error), 'code') !== 'ESRCH') throw error;
  }
}

/** The process and all below it that live, itself first. */
function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

function childrenOf(pid: number): number[] {
  const text = readOrNothing(`/proc/${pid}/task/${pid}/children`);
  return text.split(' ').filter(Boolean).map(Number);
}

function statusKib(pid: number, key: string): number | undefined {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readOrNothing(`/proc/${pid}/status`));
  return match ? Number(match[1]) : undefined;
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Starts a program. Its output is shown if the test fails, and the clean-up stops it. */
export function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): TestProcess {
  const { name = `${command} ${args[0] ?? ''}`, graceMs = 10_000, cwd, user } = options;
  const { scope = currentScope(), descriptors = [] } = options;
  const launched = launch(command, args, user);
  const child = spawn(launched.command, launched.args, {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe', ...descriptors],
    ...(cwd === undefined ? {} : { cwd }),
  });
  child.on('error', (error) => process.stderr.write(`cannot start ${name}: ${error.message}\n`));
  // A child that ends before it read all input is an outcome for the test to judge by its exit status.
  child.stdin?.on('error', () => undefined);
  const started = new TestProcess(child, name, graceMs);
  showOnFailure(name, () => started.output.text(), scope);
  scope.add(() => started.stop());
  return started;
}

/**
 * The command line that runs a program so that it dies with us and, if wanted, as another user. It executes the program
 * in its own place: the process id stays the same.
 */
export function launch(
  command: string,
  args: readonly string[],
  user?: string,
): { readonly command: string; readonly args: readonly string[] } {
  const setpriv = process.platform === 'linux' ? findTool('setpriv') : undefined;
  if (setpriv === undefined) {
    if (user === undefined) return { command, args };
    throw new Error(`Cannot run as user "${user}": setpriv (Debian package util-linux) not found`);
  }
  const asUser = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  return { command: setpriv, args: [...asUser, '--pdeathsig', 'KILL', '--', command, ...args] };
}
