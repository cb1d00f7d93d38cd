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

export class HangUp {
  readonly #hadTerminal = [process.stdin, process.stdout, process.stderr].some(
    ({ isTTY }) => isTTY,
  );
  readonly #listener: () => void;

  /** Takes the signal over, from now on and for good. */
  constructor(actions: HangUpActions) {
    this.#listener = () => {
      if (this.#isTerminalGone) actions.onTerminalGone();
      else actions.reload();
    };
    process.on('SIGHUP', this.#listener);
  }

  /**
   * Ends this process by the signal where its terminal is gone. For the end of a program: Node would try to restore the modes of that
   * terminal, and abort.
   */
  endWithTerminal(): void {
    if (!this.#isTerminalGone) return;
    process.off('SIGHUP', this.#listener);
    process.kill(process.pid, 'SIGHUP');
  }

  get #isTerminalGone(): boolean {
    return this.#hadTerminal && !hasTerminal();
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
