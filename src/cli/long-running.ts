/**
 * The life of a program that stays: start, wait until it is asked to stop, drain for the grace period, end at once when
 * asked again. docs/operations.md "Signals".
 *
 * Releases what was acquired on every way out. Bugs are logged as fatal and end the process: whoever supervises it starts
 * it again, which serves people better than a process that goes on after an assertion failed.
 */
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { EXIT } from './exit-code.ts';
import { StopSignals } from './stop-signals.ts';

/** A gateway, a connector, or both. */
export interface LongRunning {
  /** Takes nothing new and ends; resolves with how much was cut when `graceMs` was over. */
  drain(graceMs: number): Promise<number>;
  /** Ends at once. */
  stop(): Promise<void>;
  /** Gives back what the start took, after drain() or stop(). */
  release(): Promise<void>;
  /** Where it may end by itself: resolves with the exit status. */
  readonly ended?: Promise<number>;
  /** The exit status after a drain. Default 0. */
  readonly exitCode?: number;
}

export interface LongRunningOptions {
  readonly log: Log;
  readonly graceMs: number;
  start(): Promise<LongRunning>;
  /** Another way than signals of being asked to drain. Resolves with the reason. */
  readonly asked?: Promise<string>;
  /** Told how much the drain had to cut. */
  onDrained?(cut: number): void;
  /** The signals to obey, where somebody has listened for them before. */
  readonly signals?: StopSignals;
}

/**
 * Resolves when the program has ended: 0 after a drain, 1 when it had to end at once, or what it says itself. Rejects when it
 * cannot start.
 */
export async function runLong(options: LongRunningOptions): Promise<number> {
  installCrashGuard(options.log);
  const signals = options.signals ?? new StopSignals();
  try {
    const program = await options.start();
    const asked = drainWhenAsked(program, signals, options);
    const exitCode = await Promise.race([asked, ...(program.ended ? [program.ended] : [])]);
    await program.release();
    return exitCode;
  } finally {
    signals.release();
  }
}

async function drainWhenAsked(
  program: LongRunning,
  signals: StopSignals,
  options: LongRunningOptions,
): Promise<number> {
  const { log, graceMs, asked } = options;
  const bySignal = signals.first.then((reason) => ({ reason, again: signals.second }));
  // Whoever asked in another way has not sent a signal yet: the first one is then the second request.
  const byOther = asked?.then((reason) => ({ reason, again: signals.first }));
  const { reason, again } = await Promise.race([bySignal, ...(byOther ? [byOther] : [])]);
  const drained = program.drain(graceMs);
  // Said once it holds: whoever reads it can rely on nothing new being taken.
  log.info({ [FIELD.reason]: reason, [FIELD.durationMs]: graceMs }, 'draining');
  const outcome = await Promise.race([drained, again]);
  if (typeof outcome === 'string') {
    log.warn({ [FIELD.reason]: outcome }, 'stopping at once');
    await program.stop();
    return EXIT.failed;
  }
  options.onDrained?.(outcome);
  if (outcome === 0) log.info('drained');
  else
    log.warn({ [FIELD.count]: outcome }, 'drained; what was left after the grace period was cut');
  return program.exitCode ?? EXIT.done;
}

/** Has a bug logged as fatal, and end the process. */
export function installCrashGuard(log: Log): void {
  const crash = (err: unknown, what: string): void => {
    try {
      log.fatal({ [FIELD.err]: err }, what);
    } finally {
      process.exit(EXIT.failed);
    }
  };
  process.on('uncaughtException', (err) => crash(err, 'uncaught exception'));
  process.on('unhandledRejection', (err) => crash(err, 'unhandled rejection'));
}
