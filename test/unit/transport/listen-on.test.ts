import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { BoundSockets } from '../../../src/transport/listen-on.ts';
import { cleanup } from '../../support/cleanup.ts';

const ANY_PORT = { host: '127.0.0.1', port: 0 };

function echoServer(): Server {
  const server = createServer((socket) => socket.pipe(socket));
  cleanup(() => server.close());
  return server;
}

describe('BoundSockets', () => {
  it('opens a server again at the port that the system chose before', async () => {
    const sockets = new BoundSockets();
    const server = echoServer();
    const first = await sockets.listen('https', ANY_PORT, server);
    server.close();
    await once(server, 'close');
    expect(await sockets.listen('https', ANY_PORT, server)).toEqual(first);
    const client = connect(first.port, first.host);
    cleanup(() => client.destroy());
    await once(client, 'connect');
  });

  it('tells apart what has different names', async () => {
    const sockets = new BoundSockets();
    const ports = [
      await sockets.listen('tcp[0]', ANY_PORT, echoServer()),
      await sockets.listen('tcp[1]', ANY_PORT, echoServer()),
    ];
    expect(ports[0]?.port).not.toBe(ports[1]?.port);
  });

  it('says which address is taken', async () => {
    const sockets = new BoundSockets();
    const taken = await sockets.listen('https', ANY_PORT, echoServer());
    const again = new BoundSockets().listen('https', taken, echoServer());
    await expect(again).rejects.toMatchObject({
      code: 'CONFIG_PORT_IN_USE',
      message: `Cannot listen on 127.0.0.1:${taken.port}: another program has this address; stop it or choose another port`,
    });
  });
});
