import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { LIMITS } from '../../../src/core/limits.ts';
import { HeldSockets, type SocketRequest } from '../../../src/supervisor/held-sockets.ts';
import { addressOfHandle, bindHandle } from '../../../src/supervisor/listening-handle.ts';
import { cleanup } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/real/port.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { listen } from '../transport/link-ends.ts';

function held(inherited: ConstructorParameters<typeof HeldSockets>[1] = []): HeldSockets {
  const sockets = new HeldSockets(new FakeClock(), inherited);
  cleanup(() => sockets.close());
  return sockets;
}

function tcp(port: number, name = 'https', host = '127.0.0.1'): SocketRequest {
  return { name, place: { host, port }, isForOperators: name === 'metrics' };
}

async function portOf(sockets: HeldSockets, request: SocketRequest): Promise<number> {
  return addressOfHandle((await sockets.open(request)).handle).port;
}

/** Whether somebody else can have the port. */
async function isFree(port: number): Promise<boolean> {
  const server: Server = createServer();
  server.listen(port, '127.0.0.1');
  const isBound = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.close();
  return isBound;
}

/** A port is ours only once somebody listens. */
async function listening(sockets: HeldSockets, request: SocketRequest): Promise<void> {
  const server = createServer();
  cleanup(() => server.close());
  server.listen((await sockets.open(request)).handle);
  await once(server, 'listening');
}

describe('HeldSockets', () => {
  it('binds once and gives the same socket whenever it is asked for', async () => {
    const sockets = held();
    const port = await freePort();
    const first = await sockets.open(tcp(port));
    expect((await sockets.open(tcp(port))).handle).toBe(first.handle);
    expect(addressOfHandle(first.handle)).toEqual({ host: '127.0.0.1', port });
  });

  it('knows a port that the system chose by its name', async () => {
    const sockets = held();
    const [https, http] = [await portOf(sockets, tcp(0)), await portOf(sockets, tcp(0, 'http'))];
    expect(https).not.toBe(http);
    expect(await portOf(sockets, tcp(0))).toBe(https);
  });

  it('waits a moment for a port that a dead gateway has not let go of', async () => {
    const clock = new FakeClock();
    const sockets = new HeldSockets(clock);
    cleanup(() => sockets.close());
    const server = createServer();
    const port = await listen(server);
    const opening = sockets.open(tcp(port));
    await eventually(() => clock.pending === 1);
    server.close();
    await once(server, 'close');
    clock.run(100);
    expect(addressOfHandle((await opening).handle).port).toBe(port);
  });

  it('gives up on a port that another program has', async () => {
    const clock = new FakeClock();
    const sockets = new HeldSockets(clock);
    const opening = sockets.open(tcp(await listen(createServer())));
    opening.catch(() => undefined);
    await eventually(() => clock.pending === 1);
    clock.run(LIMITS.rebindMs);
    await expect(opening).rejects.toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  });

  it('says when it has the port itself, at another address', async () => {
    const sockets = held();
    const port = await freePort();
    await listening(sockets, tcp(port));
    await expect(sockets.open(tcp(port, 'https', ''))).rejects.toThrow(
      expect.objectContaining({ code: 'EADDRHELD' }),
    );
  });

  it('closes what is no longer wanted, and at the end what carries traffic first', async () => {
    const sockets = held();
    const [wanted, unwanted, metrics] = [
      tcp(await freePort()),
      tcp(await freePort(), 'http'),
      tcp(await freePort(), 'metrics'),
    ];
    const keys = [await sockets.open(wanted), await sockets.open(metrics)].map(({ key }) => key);
    const gone = addressOfHandle((await sockets.open(unwanted)).handle).port;
    sockets.retain(new Set(keys));
    await eventually(async () => isFree(gone));
    const kept = (await sockets.open(metrics)).handle;
    sockets.closeTraffic();
    expect((await sockets.open(metrics)).handle).toBe(kept);
  });

  it('binds a Unix socket for its own user alone, and removes it at the end', async () => {
    const sockets = held();
    const path = join(tempDir('held'), 'admin.sock');
    const request = { name: 'admin', place: { path }, isForOperators: true };
    await listening(sockets, request);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(held().open(request)).rejects.toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    sockets.close();
    await eventually(() => !existsSync(path));
  });
});

describe('HeldSockets with sockets of systemd', () => {
  async function inherited(
    name: string,
  ): Promise<{ name: string; port: number; handle: Awaited<ReturnType<typeof bindHandle>> }> {
    const handle = await bindHandle({ host: '127.0.0.1', port: 0 });
    return { name, handle, port: addressOfHandle(handle).port };
  }

  it('takes the one with the address, whatever it is called', async () => {
    const [one, other] = [await inherited('postern.socket'), await inherited('postern.socket')];
    const sockets = held([one, other]);
    expect((await sockets.open(tcp(other.port))).handle).toBe(other.handle);
    expect(sockets.unused).toEqual([one]);
  });

  it('takes the one with the name where none has the address, and binds what it was not given', async () => {
    const https = await inherited('https');
    const sockets = held([https]);
    const port = await freePort();
    expect((await sockets.open(tcp(port))).handle).toBe(https.handle);
    expect(await portOf(sockets, tcp(await freePort(), 'http'))).not.toBe(https.port);
  });

  it('takes one on every address for an address without a host', async () => {
    const handle = await bindHandle({ host: '', port: 0 });
    const sockets = held([{ name: '', handle }]);
    const { port } = addressOfHandle(handle);
    expect((await sockets.open(tcp(port, 'https', ''))).handle).toBe(handle);
  });

  it('keeps them for a worker that wants them again', async () => {
    const https = await inherited('https');
    const sockets = held([https]);
    await sockets.open(tcp(https.port));
    sockets.retain(new Set());
    expect((await sockets.open(tcp(https.port))).handle).toBe(https.handle);
  });
});
