/** A program in a real pseudo-terminal: what people have in front of them. */
import { spawn } from 'node-pty';

import { cleanup } from './cleanup.ts';
import { eventually } from './eventually.ts';

/** What people wait for at a terminal, on a busy machine. */
const SLOW = { deadlineMs: 30_000 };

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly columns?: number;
  readonly rows?: number;
  /** Told of everything it shows, when it does. */
  readonly onShown?: (text: string) => void;
}

export interface Terminal {
  /** Everything it showed so far, with escapes. */
  readonly text: () => string;
  /** Presses keys. */
  readonly type: (keys: string) => void;
  /** Closes the window. */
  readonly close: () => void;
  readonly resize: (columns: number, rows: number) => void;
  /** Waits until what it showed matches. */
  readonly shows: (pattern: RegExp) => Promise<RegExpMatchArray>;
  readonly exited: Promise<{ readonly code: number; readonly signal: number | undefined }>;
  readonly pid: number;
}

/** Starts it. The clean-up ends it. */
export function startTerminal(
  command: string,
  args: readonly string[],
  { env = {}, columns = 80, rows = 24, onShown }: TerminalOptions = {},
): Terminal {
  const own = Object.entries({ ...process.env, TERM: 'xterm', ...env });
  const pty = spawn(command, [...args], {
    cols: columns,
    rows,
    env: Object.fromEntries(own.filter(([, value]) => value !== undefined)),
  });
  let shown = '';
  let isOver = false;
  pty.onData((data) => {
    shown += data;
    onShown?.(data);
  });
  const exited = new Promise<{ code: number; signal: number | undefined }>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      isOver = true;
      resolve({ code: exitCode, signal });
    });
  });
  cleanup(async () => {
    if (!isOver) pty.kill('SIGKILL');
    await exited;
  });
  return {
    text: () => shown,
    close: () => {
      // It is there on every system that has pseudo-terminals, and in no type.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      (pty as unknown as { destroy(): void }).destroy();
    },
    type: (keys) => pty.write(keys),
    resize: (columnsNow, rowsNow) => pty.resize(columnsNow, rowsNow),
    shows: async (pattern) =>
      eventually(() => {
        const match = shown.match(pattern);
        if (match === null) throw new Error(`not shown: ${String(pattern)} in ${shown}`);
        return match;
      }, SLOW),
    exited,
    pid: pty.pid,
  };
}
