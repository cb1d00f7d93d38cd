/**
 * The life of `gateway run`: a supervisor, from its start to the end of its drain. docs/operations.md "Signals".
 *
 * Loads nothing of a gateway. What a worker prints is what a gateway in one process would; a start that fails looks the
 * same too.
 */
import { systemClock } from '../../core/clock.ts';
import { SdNotify } from '../../supervisor/sd-notify.ts';
import { Supervisor } from '../../supervisor/supervisor.ts';
import { takeSystemdSockets } from '../../supervisor/systemd-sockets.ts';
import { FIELD } from '../../telemetry/log-field.ts';
import { createLog, type Log } from '../../telemetry/log.ts';
import { EXIT, type ExitCode } from '../exit-code.ts';
import { HangUp } from '../hang-up.ts';
import { installCrashGuard } from '../long-running.ts';
import { childCommand } from '../own-program.ts';
import { StopSignals } from '../stop-signals.ts';

/** The longest delay of a timer, ms. */
const LONG_MS = 2 ** 31 - 1;

/** Runs until a signal or a command ends it: 0 after a drain, 1 when it had to end at once. Rejects when it cannot start. */
export async function superviseGateway(workerWords: readonly string[]): Promise<ExitCode> {
  // What must be said before the first worker has read its configuration.
  const early = createLog({ component: 'supervisor' });
  installCrashGuard(early);
  const signals = new StopSignals();
  // A supervisor between two workers waits for nothing that Node knows of.
  const alive = setInterval(() => undefined, LONG_MS);
  let log: Log = early;
  const [file, ...args] = childCommand(workerWords);
  const supervisor = new Supervisor({
    command: { file, args, env: process.env },
    clock: systemClock,
    inherited: takeSystemdSockets(),
    notify: new SdNotify({
      onFailure: (err) => log.warn({ [FIELD.err]: err }, 'systemd cannot be told what happens'),
    }),
    createLog: (settings) => (log = createLog({ ...settings, component: 'supervisor' })),
  });
  const hangUp = new HangUp({
    reload: () => supervisor.reloadSoon('SIGHUP'),
    onTerminalGone: () => signals.drain('the terminal is gone'),
  });
  try {
    await supervisor.start();
    const exitCode = await untilEnded(supervisor, signals, log);
    // What was logged last has been written then.
    setImmediate(() => hangUp.endWithTerminal());
    return exitCode;
  } finally {
    clearInterval(alive);
    signals.release();
  }
}

async function untilEnded(
  supervisor: Supervisor,
  signals: StopSignals,
  log: Log,
): Promise<ExitCode> {
  const again = signals.first.then(async (reason) => {
    // Whoever asked by command has not sent a signal yet: the first one is then the second request.
    if (supervisor.isDraining) return reason;
    void supervisor.drain(reason);
    return signals.second;
  });
  const outcome = await Promise.race([supervisor.ended, again]);
  if (typeof outcome === 'number') return EXIT.done;
  log.warn({ [FIELD.reason]: outcome }, 'stopping at once');
  await supervisor.stop();
  return EXIT.failed;
}
