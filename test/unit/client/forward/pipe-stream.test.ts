import { PassThrough } from 'node:stream';

import { describe, expect, it } from '@jest/globals';

import { pipeStream } from '../../../../src/client/forward/pipe-stream.ts';
import { settle, turnsUntil } from '../../protocol/turns.ts';
import { TwoEnds, type AppEnd, type LinkPair } from '../../protocol/two-ends.ts';
import { REQUEST } from '../../protocol/raw-peer.ts';

interface Piped {
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly origin: AppEnd;
  readonly link: LinkPair;
  /** 'done', or the code; undefined while it goes on. */
  readonly ended: () => string | undefined;
  readonly said: () => string;
}

async function start(): Promise<Piped> {
  const ends = new TwoEnds();
  const link = ends.connect();
  const [input, output] = [new PassThrough(), new PassThrough()];
  let ended: string | undefined;
  let said = '';
  output.on('data', (chunk: Buffer) => (said += chunk.toString()));
  pipeStream(ends.opener.open(REQUEST), { input, output }).then(
    () => (ended = 'done'),
    (error: { code: string }) => (ended = error.code),
  );
  await turnsUntil(() => ends.accepted.length > 0);
  return { input, output, origin: ends.at(), link, ended: () => ended, said: () => said };
}

describe('pipeStream()', () => {
  it('carries both directions, each to its own end', async () => {
    const { input, origin, output, ended, said } = await start();
    input.end('question');
    await settle();
    expect([origin.text, origin.told, ended()]).toEqual(['question', ['end'], undefined]);
    origin.write('answer');
    origin.stream.end();
    await turnsUntil(() => ended() !== undefined);
    expect([ended(), said(), output.writableFinished]).toEqual(['done', 'answer', true]);
  });

  it('is not over before the origin has all, also where the origin ended first', async () => {
    const { input, origin, link, ended } = await start();
    origin.stream.end();
    await settle();
    link.there.stall();
    input.end(Buffer.alloc(200_000, 'x'));
    await settle(50);
    expect(ended()).toBeUndefined();
    link.there.resume();
    await turnsUntil(() => ended() !== undefined);
    expect([ended(), origin.bytes, origin.closedWith]).toEqual(['done', 200_000, 'cleanly']);
  });

  it('rejects with what broke the stream, and leaves the output whole', async () => {
    const { origin, output, ended } = await start();
    origin.stream.reset('ORIGIN_RESET', 'gone');
    await turnsUntil(() => ended() !== undefined);
    expect([ended(), output.errored, output.destroyed]).toEqual(['ORIGIN_RESET', null, false]);
  });

  it('rejects when the output breaks, and ends the stream', async () => {
    const { origin, output, ended } = await start();
    output.destroy(Object.assign(new Error('nobody reads'), { code: 'EPIPE' }));
    origin.write('more');
    await turnsUntil(() => ended() !== undefined);
    await settle();
    expect([ended(), origin.closedWith]).toEqual(['EPIPE', 'STREAM_CANCELLED']);
  });
});
