/** Turns of reading: no socket has a turn of the event loop for itself, and each gets all of its bytes. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { lendReads } from '../../../src/transport/lent-reads.ts';
import { LINK_SHARES } from '../../../src/transport/read-turns.ts';
import { cleanup } from '../../support/cleanup.ts';
import { patternBytes } from '../../support/pattern.ts';
import { portOf } from '../../support/real/port.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** A read is never cut: each bound may be passed by one. */
const READ = 64 * KiB;
const LEAST = 128 * KiB;

/** Connections that each bring `bytes` as fast as they are read. Nothing is read yet. */
async function fullSockets(count: number, bytes: number): Promise<Socket[]> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(patternBytes(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(() => server.close());
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port: portOf(server), host: '127.0.0.1' }).pause();
    cleanup(() => socket.destroy());
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

/** Reads sockets to their ends, `bytes` each, and returns what each read in each turn of the event loop. */
async function read(
  sockets: readonly Socket[],
  bytes: number,
  shares?: number[],
): Promise<number[][]> {
  const turns: number[][] = [];
  let turn: number[] | undefined;
  await Promise.all(
    sockets.map((socket, i) => {
      let total = 0;
      return new Promise<void>((resolve, reject) => {
        const onLent = (lent: Buffer): boolean => {
          if (turn === undefined) {
            turn = sockets.map(() => 0);
            turns.push(turn);
            setImmediate(() => (turn = undefined));
          }
          turn[i] = (turn[i] ?? 0) + lent.byteLength;
          total += lent.byteLength;
          if (total === bytes) resolve();
          return true;
        };
        if (!lendReads(socket, onLent, shares?.[i])) reject(new Error('this Node lends no reads'));
        socket.resume();
      });
    }),
  );
  return turns;
}

const sum = (turn: readonly number[]): number => turn.reduce((all, bytes) => all + bytes, 0);

describe('takeTurns()', () => {
  it('lets one busy socket read 1 MiB a turn, and all there is', async () => {
    const turns = await read(await fullSockets(1, 8 * MiB), 8 * MiB);
    expect(Math.max(...turns.map(sum))).toBeLessThan(MiB + READ);
  });

  it('bounds a turn of twenty busy sockets, and gives each of them all of its bytes', async () => {
    const turns = await read(await fullSockets(20, 2 * MiB), 2 * MiB);
    expect(Math.max(...turns.map(sum))).toBeLessThan(MiB + 20 * (LEAST + READ));
    // Without turns some of them would have it all at once.
    expect(turns.filter((turn) => turn.filter((bytes) => bytes > 0).length > 1)).not.toHaveLength(
      0,
    );
  });

  it('gives a link more of a turn than a socket', async () => {
    const shares = [LINK_SHARES, ...Array.from({ length: 8 }, () => 1)];
    const turns = await read(await fullSockets(9, 6 * MiB), 6 * MiB, shares);
    const most = (i: number): number => Math.max(...turns.slice(1).map((turn) => turn[i] ?? 0));
    expect(most(0)).toBeGreaterThan(512 * KiB);
    expect(Math.max(...turns.map(sum))).toBeLessThan(
      MiB + LINK_SHARES * LEAST + READ + 8 * (LEAST + READ),
    );
  });

  it('leaves alone what was paused or destroyed while it waited', async () => {
    const [paused, destroyed] = (await fullSockets(2, 8 * MiB)) as [Socket, Socket];
    let after = 0;
    for (const socket of [paused, destroyed]) {
      let total = 0;
      lendReads(socket, (lent) => {
        if (socket.isPaused() || socket.destroyed) after += 1;
        total += lent.byteLength;
        // Its share is used up, and its turn comes when this one is over.
        if (total < MiB) return true;
        process.nextTick(() => (socket === paused ? socket.pause() : socket.destroy()));
        return true;
      });
      socket.resume();
    }
    await once(destroyed, 'close');
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(after).toBe(0);
    expect(paused.isPaused()).toBe(true);
  });
});
