/**
 * SIGHUP: a reload, and the end where it means what it did at first, that the terminal is gone. docs/operations.md "Signals".
 */
import { closeSync, openSync } from 'node:fs';

export interface HangUpActions {
  /** Somebody asks for a reload. */
  reload(): void;
  /** The terminal that this process was started in is closed. */
  onTerminalGone(): void;
}

/** Takes the signal over, from now on and for good. */
export function onHangUp(actions: HangUpActions): void {
  const hadTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
  process.on('SIGHUP', () => {
    if (hadTerminal && !hasTerminal()) actions.onTerminalGone();
    else actions.reload();
  });
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
