import { getEventListeners, once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '../../../../src/core/clock.ts';
import { connectTcp, type TcpTarget } from '../../../../src/connector/origin/connect-tcp.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { eventually } from '../../../support/eventually.ts';
import { whenPeerEnds } from '../../../support/real/peer-end.ts';
import { nextChunk } from './next-chunk.ts';
import { closedPort, firstOf, listen, startDeafServer } from './deaf-server.ts';

const forever = new AbortController().signal;

function dial(
  target: Partial<TcpTarget>,
  signal = forever,
  clock: Clock = systemClock,
): Promise<Socket> {
  const defaults: TcpTarget = {
    origin: 'app.internal:80',
    addresses: ['127.0.0.1'],
    port: 0,
    keepAliveMs: 30_000,
    isRacing: true,
    timeoutMs: 30_000,
  };
  return connectTcp({ ...defaults, ...target }, signal, clock).then((socket) => {
    cleanup(() => socket.destroy());
    return socket;
  });
}

/** A server that says which of its addresses was reached, and remembers who came. */
async function startServer(
  host = '127.0.0.1',
  port = 0,
): Promise<{ port: number; accepted: Socket[] }> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.write(`from ${host}`);
  });
  const bound = await listen(server, { host, port });
  return { port: bound, accepted };
}

describe('connectTcp()', () => {
  it('connects, and what the origin says first is not lost', async () => {
    const { port } = await startServer();
    await expect(dial({ port }).then(nextChunk)).resolves.toBe('from 127.0.0.1');
  });

  it('leaves the other direction open when the origin ends', async () => {
    const { port, accepted } = await startServer();
    const socket = await dial({ port });
    const peer = await firstOf(accepted);
    peer.end();
    await once(socket.resume(), 'end');
    socket.write('still here');
    await expect(nextChunk(peer)).resolves.toBe('still here');
  });

  it('goes to the next address at once when one refuses', async () => {
    const { port } = await startServer('127.0.0.2');
    const stopped: Clock = { ...systemClock, after: () => ({ cancel: () => undefined }) };
    const addresses = ['127.0.0.1', '::1', '127.0.0.2'];
    const socket = await dial({ addresses, port }, forever, stopped);
    await expect(nextChunk(socket)).resolves.toBe('from 127.0.0.2');
  });

  it('overtakes an address that does not answer', async () => {
    const port = await startDeafServer();
    await startServer('127.0.0.2', port);
    const socket = await dial({ addresses: ['127.0.0.1', '127.0.0.2'], port });
    await expect(nextChunk(socket)).resolves.toBe('from 127.0.0.2');
  });

  it('noHappyEyeballs: tries one address at a time, each for its share of the time', async () => {
    const port = await startDeafServer();
    const { accepted } = await startServer('127.0.0.2', port);
    const started = performance.now();
    const options = { addresses: ['127.0.0.1', '127.0.0.2'], port, isRacing: false };
    const socket = await dial({ ...options, timeoutMs: 1_000 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(490);
    await expect(nextChunk(socket)).resolves.toBe('from 127.0.0.2');
    expect(accepted).toHaveLength(1);
  });

  it('says ORIGIN_REFUSED when an address refuses and no other answers', async () => {
    const port = await closedPort();
    await expect(dial({ addresses: ['::1', '127.0.0.1'], port })).rejects.toMatchObject({
      code: 'ORIGIN_REFUSED',
      message: 'Cannot connect to "app.internal:80": nothing listens there',
      cause: expect.objectContaining({ code: 'ECONNREFUSED' }),
    });
  });

  it('says ORIGIN_UNREACHABLE where no way leads', async () => {
    // TCP has no broadcast: the kernel refuses without sending anything.
    await expect(dial({ addresses: ['255.255.255.255'], port: 9 })).rejects.toMatchObject({
      code: 'ORIGIN_UNREACHABLE',
    });
  });

  it('abort during connecting: rejects with the reason and leaves no socket', async () => {
    const port = await startDeafServer();
    const abort = new AbortController();
    const dialling = dial({ port }, abort.signal);
    expect(sockets()).toBeGreaterThan(0);
    const before = sockets();
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    await expect(dialling).rejects.toBe(reason);
    await eventually(() => sockets() === before - 1);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  it('abort behind the back of a connection that was just made: the origin sees a reset', async () => {
    for (let i = 0; i < 20; i += 1) {
      const giveUp = new AbortController();
      const server = createServer({ allowHalfOpen: true });
      const port = await listen(server);
      const ended = new Promise((resolve) => {
        server.once('connection', (peer) => {
          giveUp.abort(new Error('no longer wanted'));
          whenPeerEnds(peer.resume(), resolve);
        });
      });
      // Either end may hear of it first; who has the socket resets it.
      await dial({ port }, giveUp.signal).then(
        (socket) => socket.resetAndDestroy(),
        () => undefined,
      );
      expect(await ended).toBe('reset');
    }
  });

  it('does not start when aborted already', async () => {
    const { port, accepted } = await startServer();
    const reason = new Error('late');
    await expect(dial({ port }, AbortSignal.abort(reason))).rejects.toBe(reason);
    const control = await dial({ port });
    await nextChunk(control);
    expect(accepted).toHaveLength(1);
  });

  it('listens on the signal no more once connected', async () => {
    const { port } = await startServer();
    const abort = new AbortController();
    const socket = await dial({ port }, abort.signal);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    abort.abort();
    await expect(nextChunk(socket)).resolves.toBe('from 127.0.0.1');
  });

  it('an error before the caller listens does not end the process', async () => {
    const { port, accepted } = await startServer();
    const socket = await dial({ port });
    const peer = await firstOf(accepted);
    // With data still on its way, libuv would report the reset as an end.
    await eventually(() => socket.readableLength > 0);
    peer.resetAndDestroy();
    await eventually(() => socket.destroyed);
    expect(socket.errored).toMatchObject({ code: 'ECONNRESET' });
  });
});

/** Sockets that are connecting or connected in this process. */
function sockets(): number {
  return process
    .getActiveResourcesInfo()
    .filter((name) => /TCPSocketWrap|TCPConnectWrap/.test(name)).length;
}
