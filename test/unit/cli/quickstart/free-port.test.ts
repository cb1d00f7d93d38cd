import { once } from 'node:events';
import { createServer } from 'node:net';

import { expect, it } from '@jest/globals';

import { freePort } from '../../../../src/cli/quickstart/free-port.ts';
import { cleanup } from '../../../support/cleanup.ts';
import { freePort as anyFreePort } from '../../../support/real/port.ts';

async function occupy(port: number, host: string): Promise<void> {
  const server = createServer();
  cleanup(() => server.close());
  await once(server.listen(port, host), 'listening');
}

it('freePort() gives the port that is wanted where it is free', async () => {
  const port = await anyFreePort();
  expect(await freePort(port)).toBe(port);
});

it('freePort() goes on to the next one where it is taken, on any address', async () => {
  const port = await anyFreePort();
  await occupy(port, '127.0.0.1');
  expect(await freePort(port)).toBeGreaterThan(port);
  const everywhere = await anyFreePort();
  await occupy(everywhere, '0.0.0.0');
  expect(await freePort(everywhere)).toBeGreaterThan(everywhere);
});

it('freePort() leaves out what is spoken for', async () => {
  const port = await anyFreePort();
  expect(await freePort(port, [port])).toBeGreaterThan(port);
});
