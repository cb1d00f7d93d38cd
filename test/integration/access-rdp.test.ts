/** `postern access rdp`: a local port for a client that needs one. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { beforeAll, expect, it } from '@jest/globals';

import { clientEnv } from '../support/client.ts';
import type { Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { startHalfCloseServer } from '../support/real/tcp-origin.ts';
import { mustRun, posternCommand, posternEnv } from '../support/run.ts';

const HOST = 'desk.postern.test';

let gateway: Gateway;

beforeAll(async () => {
  const origin = await startHalfCloseServer();
  const ingress = [{ hostname: HOST, service: `rdp://127.0.0.1:${origin.port}` }];
  ({ gateway } = await startPostern({ ingress }));
});

function start(...words: readonly string[]): TestProcess {
  const [program, args] = posternCommand('access', 'rdp', '--hostname', HOST, ...words);
  return startProcess(program, args, { env: posternEnv(clientEnv(gateway)) });
}

it('prints the address, and leads from there to the desktop', async () => {
  const forward = start('--listen', '127.0.0.1:0');
  const [, port] = await forward.waitForLine(/is on 127\.0\.0\.1:(\d+)$/);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end('hello');
  expect(await text(socket)).toContain('"bytes":5');
});

it('L12 listens on this machine alone unless it is told otherwise, and says what that means', async () => {
  const [program, args] = posternCommand('access', 'rdp', '--help');
  expect((await mustRun(program, args)).stdout).toContain('[default: "127.0.0.1:3389"]');
  const open = start('--listen', '0.0.0.0:0');
  await open.waitForLine(/0\.0\.0\.0:\d+ is not a loopback address: others can connect as you$/);
});
