import { getEventListeners } from 'node:events';
import { createServer as createNetServer, type Socket } from 'node:net';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../../src/core/clock.ts';
import { connectUnix } from '../../../../src/connector/origin/connect-unix.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { nextChunk } from './next-chunk.ts';
import { listen, startDeafServer } from './deaf-server.ts';

const forever = new AbortController().signal;

function dial(path: string, signal = forever): Promise<Socket> {
  return connectUnix(path, signal, systemClock).then((socket) => {
    cleanup(() => socket.destroy());
    return socket;
  });
}

describe('connectUnix()', () => {
  it('connects, and half-close works both ways', async () => {
    const path = join(tempDir('unix'), 'app.sock');
    const server = createNetServer({ allowHalfOpen: true }, (peer) => {
      peer.on('data', () => undefined).on('end', () => peer.end('got it all'));
    });
    await listen(server, { path });
    const socket = await dial(path);
    socket.end('request');
    await expect(nextChunk(socket)).resolves.toBe('got it all');
  });

  it('says ORIGIN_UNREACHABLE when there is no socket', async () => {
    const path = join(tempDir('unix'), 'nothing.sock');
    await expect(dial(path)).rejects.toMatchObject({
      code: 'ORIGIN_UNREACHABLE',
      message: `Cannot connect to "unix:${path}": the socket does not exist`,
    });
  });

  it('says ORIGIN_REFUSED when the server of the socket has gone', async () => {
    const path = join(tempDir('unix'), 'file.sock');
    writeFileSync(path, 'not a socket');
    expect(existsSync(path)).toBe(true);
    await expect(dial(path)).rejects.toMatchObject({ code: 'ORIGIN_REFUSED' });
  });

  it('waits for a server whose queue is full', async () => {
    const path = join(tempDir('unix'), 'busy.sock');
    await startDeafServer({ path, deafMs: 300 });
    const sockets = await Promise.all(Array.from({ length: 10 }, () => dial(path)));
    expect(sockets).toHaveLength(10);
  });

  it('abort while the queue is full: rejects with the reason and tries no more', async () => {
    const path = join(tempDir('unix'), 'deaf.sock');
    await startDeafServer({ path });
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    let waits = 0;
    const clock: Clock = {
      ...systemClock,
      after: (delayMs, callback) => {
        waits += 1;
        if (waits === 2) setImmediate(() => abort.abort(reason));
        return systemClock.after(delayMs, callback);
      },
    };
    await expect(connectUnix(path, abort.signal, clock)).rejects.toBe(reason);
    expect(waits).toBe(2);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  it('does not start when aborted already', async () => {
    const reason = new Error('late');
    await expect(dial('/nowhere', AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
