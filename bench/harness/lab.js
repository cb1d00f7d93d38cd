/**
 * One scenario's belongings: a temporary folder, ports, and every child process.
 *
 * stop() ends all of it, by process id, whatever state things are in; nothing else in bench/ may start a process that lives on.
 * Everything listens on 127.0.0.1.
 */
import { fork, spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, processTree } from './process-stats.js';
import { LoadProcess } from './load-process.js';
import { until } from './deadline.js';

/** Ports are taken from below the range the kernel gives to outgoing connections, so that none of ours can sit on them. */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;

const READY_MS = 15_000;
const TERMINATE_MS = 2_000;

export class Lab {
  /** The temporary folder. */
  dir;
  #children = new Map();
  #nextPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
  #stopping;

  constructor(dir) {
    this.dir = dir;
    process.once('exit', this.#killAll); // The last resort, when the benchmark itself breaks.
  }

  /** A lab of its own. Synchronous, so that there is no moment at which a folder exists that nobody would remove. */
  static create() {
    const dir = mkdtempSync(join(tmpdir(), 'postern-bench-'));
    chmodSync(dir, 0o711); // A web server started by root runs its worker as somebody else, who must get at its own files.
    return new Lab(dir);
  }

  /** A path inside the temporary folder. */
  path(...parts) {
    return join(this.dir, ...parts);
  }

  /** A port of 127.0.0.1 on which nobody listens. */
  async port() {
    for (let tries = 0; tries < 500; tries++) {
      this.#nextPort = this.#nextPort >= LAST_PORT ? FIRST_PORT : this.#nextPort + 1;
      if (await isFree(this.#nextPort)) return this.#nextPort;
    }
    throw new Error(`Cannot find a free port between ${FIRST_PORT} and ${LAST_PORT}`);
  }

  /** Starts a program; what it prints goes to `<name>.log`. Resolves with its process id once it runs. */
  async start(name, command, args, { env = {} } = {}) {
    this.#refuseWhenStopping();
    const log = openSync(this.path(`${name}.log`), 'a');
    const child = spawn(command, args, {
      cwd: this.dir,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#adopt(name, child);
    await once(child, 'spawn');
    return child.pid;
  }

  /** Runs a program to its end and resolves with its standard output; rejects with its complaint when it fails. */
  async run(name, command, args, { env = {}, timeoutMs = 30_000 } = {}) {
    this.#refuseWhenStopping();
    const child = spawn(command, args, {
      cwd: this.dir,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    this.#adopt(name, child);
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    const [code, signal] = await once(child, 'close');
    if (code === 0) return output;
    throw new Error(
      `${name} ended with ${signal ?? `code ${code}`}: ${lastLines(complaint || output)}`,
    );
  }

  /** Starts one of the programs in bench/load and resolves with the handle to call it by. */
  async load(name) {
    this.#refuseWhenStopping();
    const child = fork(new URL(`../load/${name}.js`, import.meta.url), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#adopt(name, child);
    await once(child, 'spawn');
    return new LoadProcess(name, child);
  }

  /** Resolves once `port` accepts connections; rejects early when the process that should listen has ended. */
  async listening(port, name, pid) {
    await this.ready(() => accepts(port), name, pid, `listen on port ${port}`);
  }

  /** Resolves once `condition` holds; rejects early when the process it depends on has ended. */
  async ready(condition, name, pid, what) {
    const check = async () => {
      const child = this.#children.get(pid)?.child;
      if (child === undefined || hasEnded(child))
        throw new Error(
          `${name} ended before it could ${what}: ${this.#complaint(name)}`.trimEnd(),
        );
      return await condition();
    };
    await until(check, READY_MS, () => `${name} did not ${what} (${this.#complaint(name)})`);
  }

  /** Ends every process and removes the folder. Nothing can be started afterwards. Safe to call twice. */
  stop() {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end() {
    const children = [...this.#children.values()].map(({ child }) => child);
    const families = children.filter((child) => !hasEnded(child)).map((c) => processTree(c.pid));
    for (const child of children) if (!hasEnded(child)) child.kill('SIGTERM');
    const end = Date.now() + TERMINATE_MS;
    while (families.flat().some(isSameProcess) && Date.now() < end) await delay(20);
    for (const member of families.flat()) if (isSameProcess(member)) kill(member.pid);
    process.off('exit', this.#killAll);
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #killAll = () => {
    for (const { child } of this.#children.values()) if (!hasEnded(child)) child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  };

  #refuseWhenStopping() {
    if (this.#stopping !== undefined) throw new Error('the benchmark is ending');
  }

  #adopt(name, child) {
    // Where a start fails, once(child, …) reports it; this listener keeps a later error from ending the benchmark.
    child.on('error', () => undefined);
    if (child.pid !== undefined) this.#children.set(child.pid, { name, child });
  }

  #complaint(name) {
    try {
      return lastLines(readFileSync(this.path(`${name}.log`), 'utf8'));
    } catch {
      return 'it printed nothing';
    }
  }
}

function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself a moment ago.
  }
}

function lastLines(text) {
  return text.trim().split('\n').slice(-3).join(' | ').slice(-500) || 'it printed nothing';
}

async function isFree(port) {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
