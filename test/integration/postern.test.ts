/** The harness that runs Postern as people do: what other suites rely on when they start gateways and connectors. */
import { once } from 'node:events';
import { connect } from 'node:net';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import type { LinkProxy } from '../support/link-proxy.ts';
import { startBreakablePostern } from '../support/postern.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { mustRun } from '../support/run.ts';
import { toolPath } from '../support/tools.ts';

describe('a gateway and a connector with a breakable path between them', () => {
  let origin: HttpOrigin;
  let echo: TcpOrigin;
  let gateway: Gateway;
  let connector: Connector;
  let path: LinkProxy;

  beforeAll(async () => {
    origin = await startHttpOrigin();
    echo = await startEcho();
    ({ gateway, connector, path } = await startBreakablePostern({
      tcp: ['echo.postern.test'],
      ingress: [
        { hostname: 'web.postern.test', service: origin.service },
        { hostname: 'echo.postern.test', service: echo.service },
      ],
    }));
  });

  it('carry HTTPS to an origin', async () => {
    guardLinks(connector);
    const { status, body } = await gateway.fetch('web.postern.test', '/echo/x?y', {
      method: 'POST',
      body: 'hello',
    });
    expect(status).toBe(200);
    expect(JSON.parse(body.toString())).toMatchObject({ method: 'POST', url: '/echo/x?y' });
    const curl = [
      ...gateway.curlOptions('web.postern.test'),
      'https://web.postern.test/status/204',
    ];
    await mustRun(toolPath('curl'), ['--fail', ...curl]);
  });

  it('carry a plain TCP port', async () => {
    guardLinks(connector);
    const socket = connect(gateway.tcpPort('echo.postern.test'), '127.0.0.1');
    cleanup(() => socket.destroy());
    socket.end('over and out');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'end');
    expect(text).toBe('over and out');
  });

  it('show logs and metrics', async () => {
    expect(gateway.log.map(({ msg }) => msg)).toContain('gateway ready');
    expect(connector.log.filter(({ msg }) => msg === 'link registered')).toHaveLength(4);
    expect(await connector.metric('postern_connector_links')).toBe(4);
    const { name } = connector.tunnel;
    expect(await gateway.metric('postern_gateway_links', { tunnel: name })).toBe(4);
    expect(await gateway.metric('postern_gateway_links', { tunnel: 'other' })).toBe(0);
    expect(gateway.process.rssBytes()).toBeGreaterThan(10 * 1024 * 1024);
  });

  it('the guard sees a link that is lost, and forgives what was announced', async () => {
    const guard = guardLinks(connector);
    const lost = await guard.expectLosses(async () => {
      path.cutAll();
      await eventually(() => connector.log.some(({ msg }) => msg === 'link lost'));
      await connector.linksUp();
    });
    expect(lost).toBeGreaterThanOrEqual(4);
    guard.check();
    path.cutOne(0);
    await eventually(() => expect(() => guard.check()).toThrow('lost unexpectedly'));
    await connector.linksUp();
  });

  it('both can be killed and started again where they were', async () => {
    await gateway.restart('SIGKILL');
    await connector.linksUp(4, 20_000);
    await connector.restart('SIGKILL');
    await connector.linksUp();
    expect((await gateway.fetch('web.postern.test', '/status/200')).status).toBe(200);
  });

  it('SIGTERM ends both cleanly', async () => {
    expect([connector.process.exit, gateway.process.exit]).toEqual([undefined, undefined]);
    expect(await connector.stop()).toEqual({ code: 0, signal: null });
    expect(await gateway.stop()).toEqual({ code: 0, signal: null });
  });
});

it('a connector can be started before its gateway, and commands work on a gateway that does not run', async () => {
  const origin = await startHttpOrigin();
  const gateway = await Gateway.create();
  await gateway.start();
  await gateway.stop();
  const ingress = [{ hostname: 'web.postern.test', service: origin.service }];
  const connector = await startConnector({ gateway, ingress, waitUntilReady: false });
  await eventually(() => connector.log.some(({ msg }) => msg === 'cannot connect to the gateway'));
  await gateway.start();
  await connector.ready();
  expect((await gateway.fetch('web.postern.test', '/status/200')).status).toBe(200);
});

it('a gateway that cannot start fails the test with its own words', async () => {
  const gateway = await Gateway.create({ config: { 'grace-period': 'soon' } });
  await expect(gateway.start()).rejects.toThrow(/it ended with 2:.*grace-period/s);
  expect(await gateway.cli('tunnel', 'create', 'x')).toMatchObject({ code: 2 });
});
