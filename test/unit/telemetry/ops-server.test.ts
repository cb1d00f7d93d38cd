/** The operators' server, asked over real sockets. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Gauge, Registry } from 'prom-client';
import {
  type OpsServer,
  type Readiness,
  startOpsServer,
} from '../../../src/telemetry/ops-server.ts';

const started: OpsServer[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.close()));
});

interface Wanted {
  readonly ready?: () => Readiness;
  readonly registry?: Registry;
}

/** A server on a free port, and its origin. */
async function start({ ready, registry }: Wanted = {}): Promise<{
  server: OpsServer;
  url: string;
}> {
  const server = await startOpsServer({
    listen: { host: '127.0.0.1', port: 0 },
    registry: registry ?? new Registry(),
    ready: ready ?? (() => ({ ready: true, detail: {} })),
  });
  started.push(server);
  return { server, url: `http://127.0.0.1:${server.address.port}` };
}

function fail(): never {
  throw new Error('secret');
}

describe('startOpsServer()', () => {
  it('serves the metrics of its registry', async () => {
    const registry = new Registry();
    new Gauge({ name: 'answer', help: 'h', registers: [registry] }).set(42);
    const { url } = await start({ registry });
    const response = await fetch(`${url}/metrics?x=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(registry.contentType);
    expect(await response.text()).toContain('answer 42');
  });

  it('says 500 and no more when metrics cannot be collected', async () => {
    const registry = new Registry();
    registry.registerMetric(new Gauge({ name: 'bad', help: 'h', registers: [], collect: fail }));
    const { url } = await start({ registry });
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
  });

  it('is ready with 200 and not ready with 503, with the detail as JSON', async () => {
    let ready = false;
    const { url } = await start({ ready: () => ({ ready, detail: { links: 3 } }) });
    const before = await fetch(`${url}/ready`);
    expect([before.status, await before.json()]).toEqual([503, { ready: false, links: 3 }]);
    ready = true;
    const after = await fetch(`${url}/ready`);
    expect([after.status, await after.json()]).toEqual([200, { ready: true, links: 3 }]);
    expect(after.headers.get('content-type')).toBe('application/json');
    expect(after.headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['throws', fail],
    ['cannot be written as JSON', () => ({ ready: true, detail: { big: 1n } })],
  ])('is not ready when ready() %s', async (_, ready) => {
    const { url } = await start({ ready });
    const response = await fetch(`${url}/ready`);
    expect([response.status, await response.json()]).toEqual([503, { ready: false }]);
  });

  it('is healthy while it answers', async () => {
    const { url } = await start({ ready: () => ({ ready: false, detail: {} }) });
    const response = await fetch(`${url}/healthz`);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  });

  it('answers HEAD without a body', async () => {
    const { url } = await start();
    for (const path of ['/metrics', '/ready', '/healthz']) {
      const response = await fetch(url + path, { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
    }
  });

  it.each([
    ['GET', '/'],
    ['GET', '/metrics/'],
    ['GET', '/metrics/../ready/x'],
    ['GET', '//metrics'],
    ['GET', '/debug/pprof'],
    ['POST', '/metrics'],
    ['DELETE', '/ready'],
    ['OPTIONS', '/ready'],
  ])('has nothing at %s %s', async (method, path) => {
    const { url } = await start();
    expect((await fetch(url + path, { method })).status).toBe(404);
  });

  it('refuses a head that is too large', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/ready`, { headers: { x: 'a'.repeat(9_000) } });
    expect(response.status).toBe(431);
  });

  it('takes a bounded number of connections', async () => {
    const { server } = await start();
    const sockets = Array.from({ length: 70 }, () => connect(server.address.port, '127.0.0.1'));
    const dropped = sockets.map((socket) => once(socket.on('error', () => {}).resume(), 'close'));
    await Promise.race(dropped);
    const asked = sockets.find((socket) => !socket.destroyed);
    if (asked === undefined) throw new Error('every connection was dropped');
    asked.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(asked, 'close');
    for (const socket of sockets) socket.destroy();
  });

  it('closes each connection after its answer', async () => {
    const { server } = await start();
    const socket = connect(server.address.port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'close');
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close/is);
  });

  it('closes within its grace, also under connections that say nothing, and twice', async () => {
    const { server, url } = await start();
    const silent = connect(server.address.port, '127.0.0.1');
    await once(silent, 'connect');
    const gone = once(silent.resume(), 'close');
    await Promise.all([server.close(), server.close(), gone]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('names the address that is in use', async () => {
    const { server } = await start();
    const { port } = server.address;
    const listen = { host: '127.0.0.1', port };
    const second = startOpsServer({
      listen,
      registry: new Registry(),
      ready: () => ({ ready: true, detail: {} }),
    });
    await expect(second).rejects.toMatchObject({
      code: 'CONFIG_PORT_IN_USE',
      message: `Cannot listen on "127.0.0.1:${port}" for metrics: the address is in use; choose another address or stop what uses it`,
      cause: expect.objectContaining({ code: 'EADDRINUSE' }),
    });
  });

  it('names an address that is not ours', async () => {
    const other = startOpsServer({
      listen: { host: '2001:db8::1', port: 9 },
      registry: new Registry(),
      ready: () => ({ ready: true, detail: {} }),
    });
    await expect(other).rejects.toMatchObject({
      code: 'CONFIG_PORT_IN_USE',
      message: expect.stringContaining('"[2001:db8::1]:9"'),
    });
  });
});
