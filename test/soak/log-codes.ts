/** What Postern's processes complain of during a soak: lines of the log at `warn` and above, counted by code and message. */
import { parseLogLine } from '../support/json-log.ts';
import type { TestProcess } from '../support/processes.ts';

const COMPLAINTS = new Set(['warn', 'error', 'fatal']);

/** The words for a complaint: who, how loud, which code, what. */
export class LogCodes {
  readonly #counts = new Map<string, number>();
  readonly #codes = new Map<string, string>();

  /** Listens to a process, and to all that write into its log, from its first line on. */
  listen(process: TestProcess): void {
    for (const { text } of process.output.lines) this.#hear(text);
    process.output.watch(({ text }) => this.#hear(text));
  }

  /** How often each complaint was made. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** The codes that came up, each with a line that has it. */
  get codes(): ReadonlyMap<string, string> {
    return this.#codes;
  }

  /** Lines of a level that says that somebody should look. */
  get errors(): string[] {
    return [...this.#counts.keys()].filter((key) => / (error|fatal) /.test(key));
  }

  #hear(text: string): void {
    const record = parseLogLine(text);
    const level = String(record?.['level']);
    if (record === undefined || !COMPLAINTS.has(level)) return;
    const errCode = record['errCode'];
    const code = typeof errCode === 'string' ? errCode : '';
    const key = `${String(record['component'])} ${level} ${code} ${String(record['msg'])}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (code !== '' && !this.#codes.has(code)) this.#codes.set(code, text);
  }
}
