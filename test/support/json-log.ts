/** The log lines of a Postern process: one JSON object a line on stderr, between whatever else it may print there. */
import type { CapturedOutput } from './captured-output.ts';

export type LogRecord = Readonly<Record<string, unknown>>;

/** The record of one line, or undefined when the line is none. */
export function parseLogLine(line: string): LogRecord | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const record: LogRecord = JSON.parse(line);
    return record;
  } catch {
    return undefined;
  }
}

/** All records so far, oldest first. */
export function logRecords(output: CapturedOutput): LogRecord[] {
  return output.lines.flatMap(({ from, text }) => {
    const record = from === 'stderr' ? parseLogLine(text) : undefined;
    return record === undefined ? [] : [record];
  });
}
