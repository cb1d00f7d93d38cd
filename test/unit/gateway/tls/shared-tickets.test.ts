import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server } from 'node:tls';

import { describe, expect, it } from '@jest/globals';

import { sharedTickets } from '../../../../src/gateway/tls/shared-tickets.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { TestAuthority, type KeyPair } from '../../../support/test-authority.ts';

const NAME = 'gateway.postern.test';

/** A server as a process with another command line would make it: sessions belong to one by default. */
function serverOfAnotherProcess(certificate: KeyPair, ticketKeys: Buffer | undefined): Server {
  process.argv.push('--another');
  const server = createServer({ ...certificate, ...sharedTickets(ticketKeys) }, (socket) =>
    socket.end('.'),
  );
  process.argv.pop();
  return server;
}

/** Whether a second connection, to another server, resumes the session of the first. */
async function isResumed(ca: string, servers: readonly Server[]): Promise<boolean> {
  let session: Buffer | undefined;
  let reused = false;
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup(() => server.close());
    const { port } = server.address() as AddressInfo;
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: NAME,
      ca,
      ...(session && { session }),
    });
    cleanup(() => socket.destroy());
    socket.on('session', (made: Buffer) => (session = made));
    socket.resume();
    await once(socket, 'end');
    reused = socket.isSessionReused();
  }
  return reused;
}

describe('sharedTickets()', () => {
  it('has a successor resume the sessions of its predecessor', async () => {
    const authority = await TestAuthority.create();
    const certificate = await authority.issue({ dns: [NAME] });
    const keys = randomBytes(48);
    const first = createServer({ ...certificate, ...sharedTickets(keys) }, (socket) =>
      socket.end('.'),
    );
    expect(await isResumed(authority.pem, [first, serverOfAnotherProcess(certificate, keys)])).toBe(
      true,
    );
  });

  it('goes on with them after the certificate is renewed', async () => {
    const authority = await TestAuthority.create();
    const certificate = await authority.issue({ dns: [NAME] });
    const shared = sharedTickets(randomBytes(48));
    const make = (): Server =>
      createServer({ ...certificate, ...shared }, (socket) => socket.end('.'));
    const renewed = make();
    renewed.setSecureContext({ ...(await authority.issue({ dns: [NAME] })), ...shared });
    expect(await isResumed(authority.pem, [make(), renewed])).toBe(true);
  });

  it('leaves every process its own without keys', async () => {
    const authority = await TestAuthority.create();
    const certificate = await authority.issue({ dns: [NAME] });
    const servers = [0, 1].map(() => serverOfAnotherProcess(certificate, undefined));
    expect(await isResumed(authority.pem, servers)).toBe(false);
  });
});
