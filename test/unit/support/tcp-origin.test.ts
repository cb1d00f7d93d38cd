import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { PatternCheck, patternBytes, patternSha256 } from '../../support/pattern.ts';
import { whenReset } from '../../support/real/peer-end.ts';
import {
  startEcho,
  startHalfCloseServer,
  startResetter,
  startSink,
  startSlowReader,
  startSource,
} from '../../support/real/tcp-origin.ts';

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  cleanup(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

it('the echo answers everything and ends when its peer ends', async () => {
  const origin = await startEcho();
  const socket = await dial(origin.port);
  socket.end('hello');
  expect(await readAll(socket)).toBe('hello');
  expect([origin.accepted(), origin.service]).toEqual([1, `tcp://127.0.0.1:${origin.port}`]);
  await eventually(() => origin.connections() === 0);
});

it('the sink tells an end from a reset, also when the reset comes right behind the data', async () => {
  const sink = await startSink();
  for (const end of ['fin', 'reset'] as const) {
    for (let round = 0; round < 20; round += 1) {
      const socket = await dial(sink.port);
      socket.write(patternBytes(100_000), () => {
        if (end === 'fin') socket.end();
        else socket.resetAndDestroy();
      });
      await once(socket.resume(), 'close');
    }
  }
  await eventually(() => sink.received.length === 40);
  const right = { bytes: 100_000, sha256: patternSha256(100_000) };
  expect(sink.received).toEqual([
    ...Array.from({ length: 20 }, () => ({ ...right, end: 'fin' })),
    ...Array.from({ length: 20 }, () => ({ ...right, end: 'reset' })),
  ]);
});

it('the half-close server answers only after FIN', async () => {
  const origin = await startHalfCloseServer();
  const socket = await dial(origin.port);
  socket.write('half');
  socket.end(' close');
  expect(JSON.parse(await readAll(socket))).toMatchObject({ bytes: 10 });
});

it('the source sends the pattern and reads on after its FIN', async () => {
  const origin = await startSource(3_000_000);
  const socket = await dial(origin.port);
  const check = new PatternCheck();
  socket.on('data', (chunk: Buffer) => check.push(chunk));
  await once(socket, 'end');
  expect(check.bytes).toBe(3_000_000);
  expect(origin.connections()).toBe(1);
  socket.end();
  await eventually(() => origin.connections() === 0);
});

it.each([0, 10])('the resetter resets after %d bytes', async (afterBytes) => {
  const origin = await startResetter(afterBytes);
  const socket = connect(origin.port, '127.0.0.1');
  cleanup(() => socket.destroy());
  const reset = whenReset(socket);
  socket.on('connect', () => socket.write('0123456789'));
  await reset;
});

it('the slow reader takes no more than its rate, and holds back the sender', async () => {
  const origin = await startSlowReader(20_000);
  const socket = await dial(origin.port);
  const start = performance.now();
  socket.write(Buffer.alloc(32 * 1024 * 1024));
  await eventually(() => origin.bytes() >= 10_000);
  const seconds = (performance.now() - start) / 1000;
  expect(seconds).toBeGreaterThan(0.4);
  expect(origin.bytes()).toBeLessThan(20_000 * (seconds + 2));
  expect(socket.writableLength).toBeGreaterThan(16 * 1024 * 1024);
});

it('resetAll() and stop() end what is open', async () => {
  const origin = await startEcho();
  const first = whenReset(await dial(origin.port));
  await eventually(() => origin.connections() === 1);
  origin.resetAll();
  await first;
  const second = whenReset(await dial(origin.port));
  await eventually(() => origin.connections() === 1);
  await origin.stop();
  await second;
  await expect(dial(origin.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
