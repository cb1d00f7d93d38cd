/**
 * Files of the test pattern, and digests of files: what programs are given to send, and how what arrived is judged.
 *
 * A file of n bytes has the digest `patternSha256(n)`, so that the two ends need not be read at the same time.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';

import { PatternSource } from './pattern.ts';

const PIECE_BYTES = 256 * 1024;

/** Writes the first `bytes` of the pattern to a file and returns its name. `offset` starts further on in the pattern. */
export function writePatternFile(file: string, bytes: number, offset = 0): string {
  const source = new PatternSource(offset);
  const opened = openSync(file, 'w');
  try {
    for (let left = bytes; left > 0; left -= PIECE_BYTES) {
      writeSync(opened, source.next(Math.min(left, PIECE_BYTES)));
    }
  } finally {
    closeSync(opened);
  }
  return file;
}

/** The SHA-256 of a file, in hex. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
    hash.update(chunk);
  }
  return hash.digest('hex');
}
