/**
 * Runs the system's ssh in our place: it has our terminal, our input and output, and its exit status becomes ours.
 *
 * Nothing here may write to stdout or read stdin; they are ssh's. Signals that reach us alone are passed on, so that whoever
 * ends us ends ssh too and what we left behind is cleaned up.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { hasCode, messageOf, PosternError } from '../../core/error.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Runs `program`, looked up in PATH, to its end. Resolves with its exit status, 128 and more for a signal. CLI_FAILED. */
export async function runSsh(args: readonly string[], program = 'ssh'): Promise<number> {
  let child: ChildProcess | undefined;
  const pass = (signal: NodeJS.Signals): void => void child?.kill(signal);
  // Before there is anybody to pass them on to: one that came just then would end us alone.
  for (const signal of SIGNALS) process.on(signal, pass);
  try {
    child = spawn(program, args, { stdio: 'inherit' });
    const [code, signal]: unknown[] = await once(child, 'exit');
    return typeof code === 'number' ? code : 128 + signalNumber(signal);
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? 'it is not installed, or not in PATH' : messageOf(cause);
    throw new PosternError('CLI_FAILED', `Cannot run "${program}": ${why}`, { cause });
  } finally {
    for (const signal of SIGNALS) process.off(signal, pass);
  }
}

function signalNumber(signal: unknown): number {
  return Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0;
}
