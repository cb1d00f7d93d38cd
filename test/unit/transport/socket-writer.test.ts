import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { encodeDataHeader } from '../../../src/protocol/frame.ts';
import { packMessages, packedBytes } from '../../../src/transport/pack-messages.ts';
import { SocketWriter } from '../../../src/transport/socket-writer.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { portOf } from '../../support/real/port.ts';

/** A writer, and the socket at the other end of its connection, which reads nothing yet. */
async function connected(): Promise<{ writer: SocketWriter; peer: Socket; written: () => number }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const socket = connect(portOf(server), '127.0.0.1');
  cleanup(() => socket.destroy());
  const [peer]: Socket[] = await accepted;
  server.close();
  if (peer === undefined) throw new Error('nothing was accepted');
  cleanup(() => peer.destroy());
  let batches = 0;
  const writer = new SocketWriter(socket, {
    isMasked: false,
    isOpen: () => true,
    onWritten: () => (batches += 1),
  });
  return { writer, peer, written: () => batches };
}

describe('SocketWriter', () => {
  it('sends what frames were when they were handed over, whatever their memory is used for next', async () => {
    const { writer, peer } = await connected();
    const memory = Buffer.alloc(LIMITS.dataBytes);
    const expected: Buffer[] = [];
    // More than the kernel takes, so that most of it has to wait.
    for (let round = 0; round < 60; round += 1) {
      const batch = [1, 2, 3, 4].map((n) => {
        const piece = Buffer.from(memory.subarray(0, n * 16_000)).fill(round * 4 + n);
        return [encodeDataHeader(n, round, 0), piece];
      });
      expected.push(
        Buffer.from(packMessages(batch, false, Buffer.alloc(packedBytes(batch, false)))),
      );
      writer.write(batch);
      // What a stream does with memory that a hostile peer acknowledged before it had it.
      for (const [, piece] of batch) piece?.fill('!');
    }
    expect(writer.queuedBytes).toBeGreaterThan(1_000_000);
    const all = Buffer.concat(expected);
    const got: Buffer[] = [];
    let bytes = 0;
    peer.on('data', (chunk: Buffer) => {
      got.push(chunk);
      bytes += chunk.byteLength;
    });
    peer.resume();
    await eventually(() => bytes >= all.byteLength);
    expect(Buffer.concat(got).equals(all)).toBe(true);
    await eventually(() => writer.queuedBytes === 0);
  });

  it('writes what a link hands over at once as one batch', async () => {
    const { writer, peer, written } = await connected();
    peer.resume();
    // As many of the largest frames as the scheduler takes.
    const frame = [encodeDataHeader(1, 0, 0), Buffer.alloc(LIMITS.dataBytes)];
    writer.write([frame, frame, frame, frame]);
    await eventually(() => writer.queuedBytes === 0);
    expect(written()).toBe(1);
  });
});
