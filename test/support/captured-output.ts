/**
 * What a child process printed, line by line, for waiting on and for showing when a test fails.
 *
 * Bounded: of a program that prints without end the oldest lines are dropped.
 */
import type { Readable } from 'node:stream';

/** Lines kept, of both streams together. */
const KEPT_LINES = 20_000;

/** A line without end is cut here, in characters, and goes on as another line. */
const LINE_CHARACTERS = 64 * 1024;

export interface OutputLine {
  readonly from: 'stdout' | 'stderr';
  readonly text: string;
}

export class CapturedOutput {
  readonly #lines: OutputLine[] = [];
  readonly #watchers = new Set<(line: OutputLine) => void>();

  /** Every line so far, oldest first. */
  get lines(): readonly OutputLine[] {
    return this.#lines;
  }

  /** All lines so far of one stream, or of both in the order they arrived. */
  text(from?: OutputLine['from']): string {
    const lines = this.#lines.filter((line) => from === undefined || line.from === from);
    return lines.map((line) => `${line.text}\n`).join('');
  }

  /** Calls `watcher` for each further line. Returns how to stop. */
  watch(watcher: (line: OutputLine) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Takes the lines of one stream until it ends. */
  capture(stream: Readable, from: OutputLine['from']): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const pieces = (rest + text).split('\n');
      rest = pieces.pop() ?? '';
      for (const piece of pieces) this.#add({ from, text: piece });
      if (rest.length < LINE_CHARACTERS) return;
      this.#add({ from, text: rest });
      rest = '';
    });
    stream.on('end', () => {
      if (rest !== '') this.#add({ from, text: rest });
    });
  }

  #add(line: OutputLine): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES * 1.1) {
      this.#lines.splice(0, this.#lines.length - KEPT_LINES);
    }
    for (const watcher of this.#watchers) watcher(line);
  }
}
