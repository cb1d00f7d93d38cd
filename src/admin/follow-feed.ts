/**
 * Reads the lines of an answer that goes on, as they come. The bytes are of our own gateway; their number is bounded by how fast
 * they are read.
 */
import type { IncomingMessage } from 'node:http';
import { PosternError } from '../core/error.ts';

/** Longest line, characters: a path of 2 KiB, written out. */
const MAX_LINE_CHARS = 64 * 1024;

/** Calls `onLine` with each line, parsed, until it returns false or there are no more. Throws CLI_FAILED for what is no line. */
export async function followFeed(
  response: IncomingMessage,
  onLine: (line: unknown) => Promise<boolean>,
): Promise<void> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS) throw unreadable();
    for (const line of lines) {
      // In their order, and no faster than whoever reads them.
      // oxlint-disable-next-line no-await-in-loop
      if (!(await onLine(parse(line)))) return;
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause?: unknown): PosternError {
  return new PosternError('CLI_FAILED', "Cannot understand the gateway's lines", { cause });
}
