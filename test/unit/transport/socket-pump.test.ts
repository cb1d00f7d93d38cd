/** How a socket is ended from the other side of a stream, where Node or libuv would get it wrong. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { abortSocket } from '../../../src/transport/socket-pump.ts';
import { cleanup } from '../../support/cleanup.ts';
import { patternBytes } from '../../support/pattern.ts';
import { whenReset } from '../../support/real/peer-end.ts';
import { portOf } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Two ends of a connection: ours, and the peer's. */
async function connected(path?: string): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const peer = connect(
    path === undefined
      ? { port: portOf(server), host: '127.0.0.1', allowHalfOpen: true }
      : { path, allowHalfOpen: true },
  );
  const [socket]: Socket[] = await accepted;
  server.close();
  cleanup(() => peer.destroy());
  if (socket === undefined) throw new Error('nothing was accepted');
  cleanup(() => socket.destroy());
  peer.on('error', () => undefined);
  return { socket, peer };
}

describe('abortSocket()', () => {
  it('resets a TCP connection', async () => {
    const { socket, peer } = await connected();
    abortSocket(socket);
    await whenReset(peer);
  });

  it('resets one whose peer reads nothing, with bytes still waiting', async () => {
    const { socket, peer } = await connected();
    socket.write(patternBytes(32 * 1024 * 1024), () => undefined);
    const broken = new Promise((resolve) => peer.on('error', resolve));
    const closed = once(socket, 'close');
    abortSocket(socket);
    await closed;
    peer.resume();
    expect(await broken).toMatchObject({ code: 'ECONNRESET' });
  });

  it('closes one whose FIN is still on its way to the kernel', async () => {
    const { socket, peer } = await connected();
    const closed = once(socket, 'close');
    socket.end();
    abortSocket(socket);
    abortSocket(socket);
    await closed;
    expect(socket.errored).toBeNull();
    // The FIN was first; the reset behind it meets whoever writes.
    await once(peer.resume(), 'end');
    await new Promise<void>((resolve) => {
      peer.on('error', () => resolve());
      peer.write('anybody there?');
      peer.write('anybody?');
    });
  });

  it('closes a Unix socket, which cannot be reset', async () => {
    const { socket, peer } = await connected(join(tempDir('pump'), 'socket'));
    abortSocket(socket);
    await once(peer.resume(), 'end');
    expect(socket.destroyed).toBe(true);
  });
});
