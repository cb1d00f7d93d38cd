/** Output whose reader goes away: no error for a command, no reason to end for a gateway. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { isReady } from '../support/ops-client.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';

it('a command whose reader has read enough ends with 0 and says nothing', async () => {
  const gateway = await Gateway.create();
  await gateway.createTunnel('web');
  const [node, args] = posternCommand(
    'tunnel',
    'list',
    '-o',
    'json',
    '--config',
    gateway.configFile,
  );
  const quoted = [node, ...args].map((word) => `'${word}'`).join(' ');
  for (const reader of ['true', 'head -c 1']) {
    const piped = `set -o pipefail; ${quoted} | ${reader} > /dev/null`;
    const { code, stderr } = await run('bash', ['-c', piped], { env: posternEnv() });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
});

it('a result that cannot be written is an error', async () => {
  const [node, args] = posternCommand('version');
  const full = [node, ...args].map((word) => `'${word}'`).join(' ');
  const { code, stderr } = await run('sh', ['-c', `${full} > /dev/full`], { env: posternEnv() });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^postern: Cannot write the result: ENOSPC[^\n]*\(CLI_FAILED\)\n$/);
});

it('a gateway goes on when nobody reads its log any more, and still drains', async () => {
  const gateway = await Gateway.create();
  const [node, args] = posternCommand('gateway', 'run', '--config', gateway.configFile);
  const child = spawn(node, args, {
    cwd: gateway.dir,
    env: { ...process.env, ...posternEnv() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanup(() => child.kill('SIGKILL'));
  child.stdout.destroy();
  await once(child.stderr, 'data');
  child.stderr.destroy();
  await eventually(() => isReady(gateway.ports.metrics));
  // Each request is a line in the log.
  for (let i = 0; i < 5; i += 1) {
    expect((await gateway.fetch('nobody.postern.test')).status).toBe(404);
  }
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});
