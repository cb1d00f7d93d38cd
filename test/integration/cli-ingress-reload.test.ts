/** A connector whose file changes while it serves. */
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';

import { beforeAll, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import type { Connector, IngressEntry } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import type { Gateway } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import { mustRun, posternCommand, posternEnv } from '../support/run.ts';

let gateway: Gateway;
let connector: Connector;
let echo: IngressEntry;

beforeAll(async () => {
  echo = { hostname: 'echo.postern.test', service: (await startEcho()).service };
  ({ gateway, connector } = await startPostern({
    tcp: ['echo.postern.test'],
    ingress: [echo, { hostname: 'web.postern.test', service: 'http_status:201' }],
  }));
  await connector.linksUp();
});

async function status(): Promise<number> {
  return (await gateway.fetch('web.postern.test')).status;
}

it('changed rules are in force within seconds, and a stream that is open goes on', async () => {
  guardLinks(connector);
  const socket = connect(gateway.tcpPort('echo.postern.test'), '127.0.0.1');
  cleanup(() => socket.destroy());
  socket.write('before');
  expect(String((await once(socket, 'data'))[0])).toBe('before');
  expect(await status()).toBe(201);

  connector.configure([{ hostname: 'web.postern.test', service: 'http_status:202' }]);
  await eventually(async () => (await status()) === 202, { deadlineMs: 30_000 });
  expect(connector.log).toContainEqual(
    expect.objectContaining({
      level: 'info',
      count: 2,
      msg: 'the changed ingress rules are in force',
    }),
  );

  // The rule that it was opened by is gone; the stream is not.
  socket.write('after');
  expect(String((await once(socket, 'data'))[0])).toBe('after');
});

it('a broken file changes nothing and is told of; the next good one counts', async () => {
  guardLinks(connector);
  const answered = await status();
  writeFileSync(connector.configFile, 'ingress: [ {');
  await eventually(() =>
    connector.log.some(({ level, errCode }) => level === 'error' && errCode === 'CONFIG_SYNTAX'),
  );
  expect(await status()).toBe(answered);

  // As editors do it: written beside, then renamed.
  connector.configure([echo, { hostname: 'web.postern.test', service: 'http_status:203' }]);
  renameSync(connector.configFile, `${connector.configFile}.new`);
  renameSync(`${connector.configFile}.new`, connector.configFile);
  await eventually(async () => (await status()) === 203, { deadlineMs: 30_000 });
});

it('postern tunnel ingress rule finds the rule that a request meets', async () => {
  const rule = async (url: string) => {
    const words = ['tunnel', 'ingress', 'rule', url, '--config', connector.configFile];
    const [node, args] = posternCommand(...words, '-o', 'json');
    const { stdout } = await mustRun(node, args, { env: posternEnv() });
    return Object(JSON.parse(stdout));
  };
  connector.configure([
    { hostname: 'web.postern.test', path: '^/api/', service: 'http_status:204' },
    {
      hostname: '*.postern.test',
      service: 'ssh://localhost:22',
      originRequest: { connectTimeout: '5s' },
    },
  ]);
  expect(await rule('https://web.postern.test/api/x?y=1')).toMatchObject({
    rule: 1,
    path: '^/api/',
    service: 'http_status:204',
  });
  expect(await rule('WEB.postern.test/about')).toMatchObject({
    rule: 2,
    hostname: '*.postern.test',
    options: { connectTimeoutMs: '5000' },
  });
  expect(await rule('ssh.postern.test:22')).toMatchObject({ service: 'ssh://localhost:22' });
  expect(await rule('https://elsewhere.test/')).toMatchObject({ rule: 3, hostname: '*' });
});
