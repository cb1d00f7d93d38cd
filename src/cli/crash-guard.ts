/**
 * What happens to a bug: it is logged as fatal and the process ends with status 1, to be started again by whoever
 * supervises it. A process that goes on after an assertion failed serves nobody well.
 */
import { FIELD } from '../telemetry/log-field.ts';
import type { Log } from '../telemetry/log.ts';
import { EXIT } from './exit-code.ts';

/** Installs the handlers. Call once in a process that stays. */
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
