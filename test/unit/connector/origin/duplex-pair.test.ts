import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createDuplexPair } from '../../../../src/connector/origin/duplex-pair.ts';

/** Everything until the other end ends, without touching the stream's own writing side. */
async function buffer(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

async function text(stream: Duplex): Promise<string> {
  return (await buffer(stream)).toString();
}

describe('createDuplexPair()', () => {
  it('carries bytes both ways, in order', async () => {
    const [one, two] = createDuplexPair();
    one.write('a');
    one.write('b');
    one.end('c');
    two.end('xyz');
    await expect(Promise.all([text(two), text(one)])).resolves.toEqual(['abc', 'xyz']);
  });

  it('carries more than fits into both buffers unchanged', async () => {
    const [one, two] = createDuplexPair();
    const sent = randomBytes(4 * 1024 * 1024);
    one.end(sent);
    const received = await buffer(two);
    expect(createHash('sha256').update(received).digest('hex')).toBe(
      createHash('sha256').update(sent).digest('hex'),
    );
  });

  it('half-close: an end that has ended still receives', async () => {
    const [one, two] = createDuplexPair();
    one.end('request');
    await expect(text(two)).resolves.toBe('request');
    expect(two.writable).toBe(true);
    two.write('late ');
    await turn();
    two.end('answer');
    await expect(text(one)).resolves.toBe('late answer');
  });

  it('back-pressure: a writer stops when nobody reads, and goes on when somebody does', async () => {
    const [one, two] = createDuplexPair();
    let written = 0;
    const chunk = Buffer.alloc(1024, 1);
    while (one.write(chunk)) written += chunk.byteLength;
    await turn();
    while (one.write(chunk)) written += chunk.byteLength;
    expect(one.writableNeedDrain).toBe(true);
    expect(two.readableLength).toBeLessThanOrEqual(two.readableHighWaterMark + chunk.byteLength);
    expect(written).toBeLessThanOrEqual(
      2 * (one.writableHighWaterMark + two.readableHighWaterMark),
    );
    const drained = once(one, 'drain');
    two.resume();
    await drained;
    one.destroy();
    two.destroy();
  });

  it('two ends that answer each other do not recurse', async () => {
    const [one, two] = createDuplexPair();
    let rounds = 0;
    two.on('data', (chunk: Buffer) => two.write(chunk));
    one.on('data', (chunk: Buffer) => {
      rounds += 1;
      if (rounds < 20_000) one.write(chunk);
      else one.end();
    });
    two.on('end', () => two.end());
    one.write('ping');
    await once(one, 'close');
    expect(rounds).toBe(20_000);
  });

  it('both ends close after both have ended and been read', async () => {
    const [one, two] = createDuplexPair();
    one.resume().end();
    two.resume().end();
    await Promise.all([once(one, 'close'), once(two, 'close')]);
  });

  it('destroying an end that owes nothing ends the other', async () => {
    const [one, two] = createDuplexPair();
    one.write('last words');
    one.destroy();
    await expect(text(two)).resolves.toBe('last words');
    two.destroy();
  });

  it('destroying an end that has not read all resets the other', async () => {
    const [one, two] = createDuplexPair();
    two.write('unread');
    await once(one, 'readable');
    const failed = once(two, 'error');
    one.destroy();
    await expect(failed).resolves.toMatchObject([{ code: 'ECONNRESET' }]);
    expect(two.destroyed).toBe(true);
  });

  it('destroying an end that has not sent all resets the other', async () => {
    const [one, two] = createDuplexPair();
    one.write(Buffer.alloc(1024 * 1024));
    one.write('never sent');
    await turn();
    const failed = once(two, 'error');
    one.destroy();
    await expect(failed).resolves.toMatchObject([{ code: 'ECONNRESET' }]);
  });

  it('destroying an end with an error reports it there', async () => {
    const [one, two] = createDuplexPair();
    const failed = once(one, 'error');
    const reason = new Error('broken');
    one.destroy(reason);
    await expect(failed).resolves.toEqual([reason]);
    await expect(text(two)).resolves.toBe('');
    two.destroy();
  });

  it('what was written before ending stays readable after the writer is destroyed', async () => {
    const [one, two] = createDuplexPair();
    one.end('goodbye');
    await once(one, 'finish');
    one.destroy();
    await expect(text(two)).resolves.toBe('goodbye');
    two.destroy();
  });

  it('writing to an end that has ended and gone is EPIPE', async () => {
    const [one, two] = createDuplexPair();
    one.end();
    await once(one, 'finish');
    one.destroy();
    const failed = once(two, 'error');
    two.write('anybody?');
    await expect(failed).resolves.toMatchObject([{ code: 'EPIPE' }]);
  });

  it('a write that waits for room fails when the reader goes', async () => {
    const [one, two] = createDuplexPair();
    const failed = once(one, 'error');
    one.write(Buffer.alloc(1024 * 1024));
    await turn();
    two.destroy();
    await expect(failed).resolves.toMatchObject([{ code: 'EPIPE' }]);
  });
});
