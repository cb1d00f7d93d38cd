import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { resetSocket, whenPeerEnds, whenReset, type PeerEnd } from '../../support/real/peer-end.ts';
import { startTcpOrigin } from '../../support/real/tcp-origin.ts';

/** A connection whose far end is `serve`d, and what the near end learns of its end. */
async function dial(
  serve: (socket: Socket) => void,
): Promise<{ near: Socket; end: Promise<PeerEnd> }> {
  const origin = await startTcpOrigin(serve);
  const near = connect({ port: origin.port, host: '127.0.0.1', allowHalfOpen: true });
  cleanup(() => near.destroy());
  const end = new Promise<PeerEnd>((resolve) => whenPeerEnds(near, resolve));
  near.resume();
  // A reset may come before Node has told of the connection.
  await Promise.race([once(near, 'connect'), end]);
  return { near, end };
}

it.each([
  ['at once', resetSocket, ['reset']],
  [
    'behind data',
    (socket: Socket) => socket.write(Buffer.alloc(90_000), () => resetSocket(socket)),
    ['reset'],
  ],
  // A FIN that went out first is seen, or overtaken by the reset.
  ['behind a FIN', (socket: Socket) => socket.end(() => resetSocket(socket)), ['fin', 'reset']],
  [
    'with a FIN under way',
    (socket: Socket) => {
      socket.end();
      resetSocket(socket);
    },
    ['fin', 'reset'],
  ],
])('a reset %s reaches the peer and closes the socket for good', async (_when, act, seen) => {
  let isClosed = false;
  const { end } = await dial((socket) => {
    socket.resume().on('close', () => (isClosed = true));
    act(socket);
  });
  expect(seen).toContain(await end);
  await eventually(() => isClosed);
});

it('a reset does not wait for a peer that reads nothing', async () => {
  let isClosed = false;
  const { near } = await dial((socket) => {
    socket.end(Buffer.alloc(32 * 1024 * 1024));
    socket.on('close', () => (isClosed = true));
    socket.once('data', () => resetSocket(socket));
  });
  near.pause();
  near.write('now');
  await eventually(() => isClosed);
});

it('resetSocket() is safe before the connection and after its end', async () => {
  const { near } = await dial((socket) => socket.end());
  resetSocket(near);
  resetSocket(near);
  const other = connect(1, '127.0.0.1');
  other.on('error', () => undefined);
  resetSocket(other);
  await eventually(() => near.closed && other.closed);
});

it('whenReset() rejects an orderly end', async () => {
  const { near } = await dial((socket) => socket.end('bye'));
  await expect(whenReset(near)).rejects.toThrow('ended with FIN');
});
