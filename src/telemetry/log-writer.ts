/**
 * How log lines leave the process: those of one turn of the event loop together, and never at the price of a stream.
 *
 * A write for each line costs ten times what making the line does, and one that waits for a reader stops everything: stderr
 * is usually a pipe. So lines are written when the turn is over, and while nobody reads they wait, up to a bound; beyond it they
 * are counted instead. What waits when the process ends by itself is written then, an uncaught error included.
 */
import { writeSync } from 'node:fs';
import { codeOf } from '../core/error.ts';
import { systemClock } from '../core/clock.ts';

export const STDERR = 2;

/** How long a full pipe is left alone, ms: one takes 64 KiB, so this is 32 MB a second. */
const RETRY_MS = 2;
/** The most that waits for a reader, UTF-16 units. */
const MAX_WAITING_LENGTH = 4 * 1024 * 1024;
/** How long the end of the process waits for a reader, ms. */
const FINISH_MS = 1_000;
const FINISH_STEP_MS = 10;

/** Takes whole lines. */
export interface LineWriter {
  write(line: string): void;
}

/** Writes the first bytes, as many as there is room for, and returns how many. Never waits. */
export type WriteSome = (bytes: Buffer) => number;

export class LogWriter implements LineWriter {
  readonly #writeSome: WriteSome;
  readonly #onTurnOver = (): void => {
    this.#isScheduled = !this.#flush();
    // It keeps no process alive: what is left is written at its end.
    if (this.#isScheduled) setTimeout(this.#onTurnOver, RETRY_MS).unref();
  };
  #waiting = '';
  /** What was begun, and is to be written before what waits. */
  #rest: Buffer | undefined;
  #dropped = 0;
  /** Whether a later turn writes what waits. */
  #isScheduled = false;

  constructor(writeSome: WriteSome) {
    this.#writeSome = writeSome;
  }

  write(line: string): void {
    if (this.#waiting.length + line.length > MAX_WAITING_LENGTH) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += line;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurnOver);
  }

  /** Writes all that waits; gives up when nobody reads for FINISH_MS. For the end of the process: it stops everything else. */
  finish(): void {
    const until = systemClock.now() + FINISH_MS;
    while (!this.#flush() && systemClock.now() < until) sleep(FINISH_STEP_MS);
  }

  /** Writes what it can. False when something is left. */
  #flush(): boolean {
    while (this.#rest !== undefined || this.#waiting !== '') {
      this.#rest ??= this.#takeWaiting();
      const written = this.#writeSome(this.#rest);
      if (written < this.#rest.length) {
        this.#rest = this.#rest.subarray(written);
        return false;
      }
      this.#rest = undefined;
    }
    return true;
  }

  #takeWaiting(): Buffer {
    const lost = this.#dropped === 0 ? '' : `${lostLine(this.#dropped)}\n`;
    const bytes = Buffer.from(this.#waiting + lost);
    this.#waiting = '';
    this.#dropped = 0;
    return bytes;
  }
}

function lostLine(count: number): string {
  const time = new Date(systemClock.wall()).toISOString();
  const msg = 'log lines lost: nobody read stderr';
  return JSON.stringify({ level: 'warn', time, component: 'log', pid: process.pid, count, msg });
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

let toStderr: LogWriter | undefined;

/** The one writer to stderr: logs that share it keep their order. */
export function stderrWriter(): LineWriter {
  if (toStderr !== undefined) return toStderr;
  const created = new LogWriter(writeSomeToStderr);
  process.on('exit', () => created.finish());
  toStderr = created;
  return created;
}

function writeSomeToStderr(bytes: Buffer): number {
  try {
    return writeSync(STDERR, bytes);
  } catch (error) {
    // A pipe that is full. Whatever else it is, it will not get better, and there is nobody left to tell.
    return codeOf(error) === 'EAGAIN' ? 0 : bytes.length;
  }
}
