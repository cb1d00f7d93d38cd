/** What a stream says next, as text. */
import type { Readable } from 'node:stream';

/** Rejects when the stream fails instead. Leaves the stream flowing. */
export function nextChunk(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('data', (chunk: Buffer) => {
      stream.off('error', reject);
      resolve(chunk.toString());
    });
  });
}
