/**
 * The end of a long-running program: waits until it is asked to stop, drains it for the grace period, and stops it at once
 * when asked again. docs/operations.md "Signals".
 */
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import type { StopSignals } from './stop-signals.ts';

/** What can be stopped gently: a gateway, a connector. */
export interface Drainable {
  /** Takes nothing new and ends; resolves with how much was cut after `graceMs`. */
  drain(graceMs: number): Promise<number>;
  /** Ends at once. */
  stop(): Promise<void>;
}

export interface RunUntilStoppedOptions {
  readonly program: Drainable;
  readonly signals: StopSignals;
  readonly graceMs: number;
  readonly log: Log;
  /** Another way of being asked to drain. Resolves with the reason. */
  readonly asked?: Promise<string>;
  /** Called with how much was cut. */
  readonly onDrained?: (cut: number) => void;
}

/** Resolves when the program has ended: 0 after a drain, 1 when it had to end at once. */
export async function runUntilStopped(options: RunUntilStoppedOptions): Promise<ExitCode> {
  const { program, signals, graceMs, log, asked, onDrained } = options;
  const reason = await Promise.race([signals.first, ...(asked === undefined ? [] : [asked])]);
  log.info({ [FIELD.reason]: reason, [FIELD.durationMs]: graceMs }, 'draining');
  // After `gateway drain` the first signal is the second request.
  const again = Promise.race([
    signals.second,
    ...(reason === 'SIGTERM' || reason === 'SIGINT' ? [] : [signals.first]),
  ]);
  const drained = program.drain(graceMs);
  const outcome = await Promise.race([drained, again]);
  if (typeof outcome === 'number') {
    onDrained?.(outcome);
    const text =
      outcome === 0 ? 'drained' : 'drained; what was left after the grace period was cut';
    log[outcome === 0 ? 'info' : 'warn']({ [FIELD.count]: outcome }, text);
    return EXIT.done;
  }
  await program.stop();
  log.warn({ [FIELD.reason]: outcome }, 'stopped at once');
  return EXIT.failed;
}
