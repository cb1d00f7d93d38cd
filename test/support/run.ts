/**
 * Runs a program to its end and returns what it printed: for `ssh host true`, `psql -c …`, `git clone` and our CLI.
 *
 * Output is collected in memory up to a limit; for more, give `stdoutFile`, which the program writes itself.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';

import { launch, type ProcessExit } from './processes.ts';

export interface RunOptions {
  /** Written to its stdin, which is then closed. Default: nothing. */
  readonly input?: string | Uint8Array;
  /** A file as its stdin, instead of `input`. */
  readonly stdinFile?: string;
  /** A file that takes its stdout. */
  readonly stdoutFile?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Killed after this long, in ms. Default 60_000. */
  readonly deadlineMs?: number;
}

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as it came, for what is not text. */
  readonly stdoutBytes: Buffer;
}

/** Most output kept of either stream, in bytes; more kills the program. */
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** The repository's own command. */
const POSTERN = resolve(import.meta.dirname, '../../bin/postern.js');

/** Runs the program and reports how it ended, whatever its exit status. Rejects at the deadline or if it cannot start. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { deadlineMs = 60_000, stdinFile, stdoutFile, cwd } = options;
  const stdin = stdinFile === undefined ? undefined : openSync(stdinFile, 'r');
  const stdout = stdoutFile === undefined ? undefined : openSync(stdoutFile, 'w');
  const launched = launch(command, args);
  const child = spawn(launched.command, launched.args, {
    env: { ...process.env, ...options.env },
    stdio: [stdin ?? 'pipe', stdout ?? 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  for (const opened of [stdin, stdout]) if (opened !== undefined) closeSync(opened);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  const out = collect(child.stdout, () => child.kill('SIGKILL'));
  const err = collect(child.stderr, () => child.kill('SIGKILL'));
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
    // What it started itself may live on and hold these open.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, deadlineMs);
  const { code, signal } = await new Promise<ProcessExit>((settle, reject) => {
    child.on('error', reject);
    child.on('close', (status, killer) => settle({ code: status, signal: killer }));
  }).finally(() => clearTimeout(deadline));
  const result = {
    code,
    signal,
    stdoutBytes: Buffer.concat(out),
    stderr: String(Buffer.concat(err)),
  };
  if (isLate) {
    throw new Error(
      `Cannot finish ${describe(command, args)} in ${deadlineMs} ms; it said: ${result.stderr.slice(-2000)}`,
    );
  }
  return { ...result, stdout: result.stdoutBytes.toString() };
}

/** Like `run`, and rejects with what the program said unless its exit status is 0. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code === 0) return result;
  const said = (result.stderr + result.stdout).slice(-4000);
  throw new Error(
    `Cannot run ${describe(command, args)}: it ended with ${String(result.signal ?? result.code)}: ${said}`,
  );
}

/** Program and arguments that run the repository's own CLI, for `startProcess` and `run`. */
export function posternCommand(...args: readonly string[]): [string, string[]] {
  return [process.execPath, [POSTERN, ...args]];
}

/**
 * The variables that would make Postern behave differently on the machine of one developer than on that of another,
 * each removed. Lay a test's own on top.
 */
export function posternEnv(
  own: Readonly<Record<string, string | undefined>> = {},
): Record<string, string | undefined> {
  const foreign = Object.keys(process.env).filter((name) =>
    /^(POSTERN_.*|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|RUNTIME_DIRECTORY|LISTEN_(FDS|PID|FDNAMES)|(HTTPS?|ALL|NO)_PROXY)$/i.test(
      name,
    ),
  );
  return { ...Object.fromEntries(foreign.map((name) => [name, undefined])), ...own };
}

function collect(stream: NodeJS.ReadableStream | null, onTooMuch: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > OUTPUT_LIMIT_BYTES) onTooMuch();
    else chunks.push(chunk);
  });
  return chunks;
}

function describe(command: string, args: readonly string[]): string {
  return `"${[command, ...args].join(' ').slice(0, 300)}"`;
}
