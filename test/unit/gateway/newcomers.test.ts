import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

import { describe, expect, it } from '@jest/globals';

import { Newcomers } from '../../../src/gateway/newcomers.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { portOf } from '../../support/real/port.ts';
import { TestAuthority } from '../../support/test-authority.ts';

const NAME = 'gateway.postern.test';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  cleanup(() => server.close());
  await once(server, 'listening');
  return portOf(server);
}

describe('Newcomers', () => {
  it('counts a connection until its handshake is done', async () => {
    const authority = await TestAuthority.create();
    const newcomers = new Newcomers();
    const server = createTlsServer(await authority.issue({ dns: [NAME] }), (socket) => {
      cleanup(() => socket.destroy());
    });
    newcomers.track(server);
    const port = await listening(server);
    const carrier = connect(port, '127.0.0.1');
    await eventually(() => newcomers.size === 1);
    const secured = connectTls({ socket: carrier, servername: NAME, ca: authority.pem });
    cleanup(() => secured.destroy());
    await once(secured, 'secureConnect');
    await eventually(() => newcomers.size === 0);
  });

  it('counts one that goes before, or fails, no more', async () => {
    const authority = await TestAuthority.create();
    const newcomers = new Newcomers();
    const server = createTlsServer(await authority.issue({ dns: [NAME] }));
    newcomers.track(server);
    const port = await listening(server);
    const [leaves, fails] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    cleanup(() => fails.destroy());
    fails.on('error', () => undefined).resume();
    await eventually(() => newcomers.size === 2);
    leaves.destroy();
    await eventually(() => newcomers.size === 1);
    fails.write('this is not TLS');
    await once(fails, 'close');
    expect(newcomers.size).toBe(0);
  });

  it('counts one without TLS until it closes', async () => {
    const newcomers = new Newcomers();
    const server = createServer((socket) => socket.resume());
    newcomers.track(server);
    const client = connect(await listening(server), '127.0.0.1');
    await eventually(() => newcomers.size === 1);
    client.destroy();
    await eventually(() => newcomers.size === 0);
  });
});
