/**
 * Joins a stream to this process's own input and output: what `ssh` and other programs that start us talk to.
 *
 * End of input is FIN and not the end: what the origin still has to say is waited for. A broken stream never looks like a
 * complete one: the promise rejects. The output is never destroyed, because whoever reports the error may need it.
 */
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import type { Stream } from '../../protocol/stream.ts';
import { StreamDuplex } from '../../transport/stream-duplex.ts';

/** Resolves when both directions have ended and the origin has everything; rejects with what ended the stream, or with the error of the output. */
export async function pipeStream(
  stream: Stream,
  { input, output }: { readonly input: Readable; readonly output: Writable },
): Promise<void> {
  const duplex = new StreamDuplex(stream);
  const accepted = duplex.accepted();
  const sent = pipeline(input, duplex);
  const received = writeOut(duplex, output);
  try {
    await Promise.all([accepted, received, sent]);
    await duplex.settled();
  } catch (error) {
    duplex.destroy();
    // The first to break says why; the others only follow.
    await Promise.allSettled([received, sent]);
    // A stream that was cancelled because the output broke is not why.
    throw stream.error?.code === 'STREAM_CANCELLED' ? error : (stream.error ?? error);
  } finally {
    input.destroy();
  }
}

async function writeOut(duplex: StreamDuplex, output: Writable): Promise<void> {
  const onError = (error: Error): void => void duplex.destroy(error);
  output.once('error', onError);
  duplex.pipe(output);
  await finished(duplex, { writable: false });
  // Node's pipe() spares its own stdout, and whoever reads it waits for the end.
  await new Promise((resolve) => void output.once('close', resolve).end(resolve));
  output.off('error', onError);
}
