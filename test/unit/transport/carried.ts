/** Streams between two processes in one, over a link in memory, for tests of what is put on their ends. */
import { systemClock } from '../../../src/core/clock.ts';
import type { Stream } from '../../../src/protocol/stream.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { REQUEST } from '../protocol/raw-peer.ts';
import { TwoEnds, type TwoEndsOptions } from '../protocol/two-ends.ts';

export interface Carried {
  readonly ends: TwoEnds;
  /** Opens a stream. The other end went to `onStream`. */
  open(): Stream;
}

/** Two processes with one link. Each test must leave nothing of any stream behind. */
export function carry(onStream: (stream: Stream) => void, options: TwoEndsOptions = {}): Carried {
  const ends = new TwoEnds({ ...options, realClock: systemClock, onStream });
  ends.connect();
  cleanup(() => {
    for (const { there } of ends.pairs) there.cut();
  });
  return { ends, open: () => ends.opener.open(REQUEST) };
}

/** Waits until no stream is left, and expects that nothing of any is. */
export async function nothingLeft({ ends }: Carried): Promise<void> {
  await eventually(
    () =>
      ends.opener.streamCount + ends.accepter.streamCount + ends.countedBytes === 0 &&
      ends.pairs.every(({ opening }) => opening.isClosed || opening.streamCount === 0),
    { what: 'all streams to end' },
  );
  if (ends.linkErrors.length > 0) throw new Error(ends.linkErrors.join('; '));
}
