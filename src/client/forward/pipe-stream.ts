/**
 * Joins a stream to this process's own input and output: what `ssh` and other programs that start us talk to.
 *
 * End of input is FIN and not the end: what the origin still has to say is waited for. A broken stream never looks like a
 * complete one: the promise rejects.
 */
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Stream } from '../../protocol/stream.ts';
import { StreamDuplex } from '../../transport/stream-duplex.ts';

/** Resolves when both directions have ended; rejects with what ended the stream, or with the error of the output. */
export async function pipeStream(
  stream: Stream,
  { input, output }: { readonly input: Readable; readonly output: Writable },
): Promise<void> {
  const duplex = new StreamDuplex(stream);
  const accepted = duplex.accepted();
  const received = pipeline(duplex, output);
  const sent = pipeline(input, duplex);
  try {
    await Promise.all([accepted, received, sent]);
  } catch (error) {
    duplex.destroy();
    // The first to break says why; the others only follow.
    await Promise.allSettled([received, sent]);
    throw stream.error ?? error;
  } finally {
    input.destroy();
  }
}
