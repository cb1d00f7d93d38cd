import { once } from 'node:events';
import { createServer } from 'node:net';

import { expect, it } from '@jest/globals';

import { cleanup } from '../../support/cleanup.ts';
import { freePort, portOf } from '../../support/real/port.ts';

it('freePort() hands out ports that can be listened on, each once', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) {
    const server = createServer().listen(port, '127.0.0.1');
    cleanup(() => server.close());
    await once(server, 'listening');
    expect(portOf(server)).toBe(port);
  }
});

it('freePort() stays below the ports that the kernel gives to outgoing connections', async () => {
  const port = await freePort();
  expect(port).toBeGreaterThanOrEqual(16_000);
  expect(port).toBeLessThan(32_000);
});

it('freePort() passes over a port that is taken', async () => {
  const first = await freePort();
  const server = createServer().listen(first + 1, '127.0.0.1');
  cleanup(() => server.close());
  await once(server, 'listening');
  expect(await freePort()).not.toBe(first + 1);
});

it('portOf() refuses a server that does not listen', () => {
  expect(() => portOf(createServer())).toThrow('does not listen');
});
