/** How `gateway run` and `tunnel run` end: drained, cut, at once, and what they leave behind. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway, startGateway, type Tunnel } from '../support/gateway.ts';
import { startPostern } from '../support/postern.ts';
import type { TestProcess } from '../support/processes.ts';
import { whenReset } from '../support/real/peer-end.ts';
import { freePort, portOf } from '../support/real/port.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';
import { connectPair, startHandingOrigin } from '../support/tcp-pair.ts';

/** An origin that answers when it is told to. */
let origin: { readonly service: string; readonly held: number; answerAll(): void };

/** The tunnel that each gateway has. */
const tunnels = new WeakMap<Gateway, Tunnel>();

beforeAll(async () => {
  const held: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    held.push(response);
    response.on('close', () => held.splice(held.indexOf(response), 1));
  });
  cleanup(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  origin = {
    service: `http://127.0.0.1:${portOf(server)}`,
    get held() {
      return held.length;
    },
    answerAll: () => {
      for (const response of held) response.end('answered');
    },
  };
});

interface UnderWay {
  readonly gateway: Gateway;
  readonly connector: Connector;
  /** The status of the answer; 0 when the connection was cut. */
  readonly answered: Promise<number>;
}

/** A gateway with a request under way. */
async function gatewayWithRequest(gracePeriod = '30s'): Promise<UnderWay> {
  const gateway = await startGateway({ config: { 'grace-period': gracePeriod } });
  return connectorWithRequest(gateway);
}

/** A connector of a gateway, with a request under way. */
async function connectorWithRequest(gateway: Gateway, gracePeriod = '30s'): Promise<UnderWay> {
  const tunnel = tunnels.get(gateway);
  const connector = await startConnector({
    gateway,
    ...(tunnel !== undefined && { tunnel }),
    ingress: [{ hostname: 'web.postern.test', service: origin.service }],
    config: { 'grace-period': gracePeriod },
  });
  tunnels.set(gateway, connector.tunnel);
  await eventually(() => origin.held === 0);
  const answered = gateway.fetch('web.postern.test').then(
    ({ status }) => status,
    () => 0,
  );
  await eventually(() => origin.held === 1);
  return { gateway, connector, answered };
}

/** Sends a signal once the program has taken the one before to heart. */
async function signalWhenDraining(process: TestProcess, signal: NodeJS.Signals): Promise<void> {
  await process.waitForLine(DRAINING);
  process.kill(signal);
}

/** Long before the resume timeout. */
async function holdsNoStream(connector: Connector): Promise<void> {
  await eventually(async () => {
    expect(await connector.metric('postern_connector_streams_open')).toBe(0);
  });
}

const DRAINING = /"msg":"draining"/;

/** How long the program takes to end from now on, ms. */
async function timeToExit(process: TestProcess): Promise<number> {
  const start = performance.now();
  await process.exited;
  return performance.now() - start;
}

const CUT = expect.objectContaining({
  level: 'warn',
  count: 1,
  msg: 'drained; what was left after the grace period was cut',
});

describe('a gateway', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('finishes its requests on %s', async (signal) => {
    const { gateway, answered } = await gatewayWithRequest();
    gateway.process.kill(signal);
    await gateway.process.waitForLine(DRAINING);
    origin.answerAll();
    expect(await answered).toBe(200);
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
    expect(gateway.log).toContainEqual(expect.objectContaining({ msg: 'drained' }));
    expect(gateway.log).toContainEqual(
      expect.objectContaining({ msg: 'draining', reason: signal }),
    );
    expect(existsSync(join(gateway.dir, 'data', 'admin.sock'))).toBe(false);
  });

  it('cuts what is left when the grace period is over, and counts it', async () => {
    const { gateway, connector, answered } = await gatewayWithRequest('1s');
    gateway.process.kill('SIGTERM');
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
    expect(await answered).not.toBe(200);
    expect(gateway.log).toContainEqual(CUT);
    await holdsNoStream(connector);
  });

  it('leaves no stream at its connectors, neither of what it finished nor of what it cut', async () => {
    const handing = await startHandingOrigin();
    const { gateway, connector } = await startPostern({
      tcp: ['tcp.postern.test'],
      config: { 'grace-period': '100ms' },
      ingress: [
        { hostname: 'tcp.postern.test', service: handing.service },
        { hostname: 'web.postern.test', service: origin.service },
      ],
    });
    const { server } = await connectPair(gateway.tcpPort('tcp.postern.test'), handing);
    const answered = gateway.fetch('web.postern.test');
    await eventually(() => origin.held === 1);
    origin.answerAll();
    expect((await answered).status).toBe(200);
    const reset = whenReset(server);
    await gateway.stop();
    await reset;
    await holdsNoStream(connector);
  });

  it('ends at once on a second signal, with status 1', async () => {
    const { gateway, answered } = await gatewayWithRequest('60s');
    gateway.process.kill('SIGTERM');
    await signalWhenDraining(gateway.process, 'SIGTERM');
    expect(await timeToExit(gateway.process)).toBeLessThan(20_000);
    expect(gateway.process.exit).toEqual({ code: 1, signal: null });
    expect(await answered).not.toBe(200);
  });

  it('takes one Ctrl-C that arrives twice for one', async () => {
    const { gateway, answered } = await gatewayWithRequest();
    gateway.process.kill('SIGINT');
    gateway.process.kill('SIGINT');
    await gateway.process.waitForLine(DRAINING);
    expect(await gateway.json('gateway', 'status')).toMatchObject({ isDraining: true });
    origin.answerAll();
    expect(await answered).toBe(200);
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
  });

  it('drains by command, which waits and tells the end', async () => {
    const { gateway, answered } = await gatewayWithRequest();
    const drain = gateway.json('gateway', 'drain');
    await eventually(async () => {
      const status: object = Object(await gateway.json('gateway', 'status'));
      expect(status).toMatchObject({ isDraining: true, httpRequests: 1 });
    });
    origin.answerAll();
    expect(await drain).toEqual({ cut: 0 });
    expect(await answered).toBe(200);
    expect(await gateway.process.exited).toEqual({ code: 0, signal: null });
    expect((await gateway.cli('gateway', 'drain')).code).toBe(1);
  });

  it('ends at once on a signal after the command', async () => {
    const { gateway } = await gatewayWithRequest('60s');
    const drain = gateway.cli('gateway', 'drain');
    await signalWhenDraining(gateway.process, 'SIGTERM');
    expect(await timeToExit(gateway.process)).toBeLessThan(20_000);
    expect(await drain).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the gateway went away'),
    });
  });

  it('is the only one of its data directory, and starts again after a kill', async () => {
    const gateway = await startGateway();
    const second = await gateway.cli('gateway', 'run');
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/already running with this data-dir.*CONFIG_PORT_IN_USE/);
    await gateway.createTunnel('web');
    await gateway.stop('SIGKILL');
    expect(existsSync(join(gateway.dir, 'data', 'admin.sock'))).toBe(true);
    expect(await gateway.json('tunnel', 'list')).toMatchObject([{ name: 'web' }]);
    await gateway.start();
    expect(await gateway.json('tunnel', 'list')).toMatchObject([{ name: 'web', replicas: 0 }]);
  });
});

describe('a connector', () => {
  let gateway: Gateway;

  beforeAll(async () => {
    gateway = await startGateway();
  });

  it('finishes its streams on SIGTERM', async () => {
    const { connector, answered } = await connectorWithRequest(gateway);
    connector.process.kill('SIGTERM');
    await connector.process.waitForLine(DRAINING);
    origin.answerAll();
    expect(await answered).toBe(200);
    expect(await connector.process.exited).toEqual({ code: 0, signal: null });
    expect(connector.log.at(-1)).toMatchObject({ msg: 'drained' });
  });

  it('cuts what is left when the grace period is over, and counts it', async () => {
    const { connector, answered } = await connectorWithRequest(gateway, '1s');
    connector.process.kill('SIGTERM');
    expect(await connector.process.exited).toEqual({ code: 0, signal: null });
    // The gateway hears of the stream's end first, or of the link's.
    expect([502, 503]).toContain(await answered);
    expect(connector.log).toContainEqual(CUT);
  });

  it('ends at once on a second signal, with status 1', async () => {
    const { connector } = await connectorWithRequest(gateway, '60s');
    connector.process.kill('SIGTERM');
    await signalWhenDraining(connector.process, 'SIGTERM');
    expect(await timeToExit(connector.process)).toBeLessThan(20_000);
    expect(connector.process.exit).toEqual({ code: 1, signal: null });
  });

  it('can be stopped while it waits for its gateway, and is not ready meanwhile', async () => {
    const tunnel = { id: 'x', name: 'web', token: `pst_${'A'.repeat(64)}` };
    const connector = await startConnector({
      gateway: await Gateway.create(),
      tunnel,
      ingress: [],
      waitUntilReady: false,
      config: { ca: undefined },
    });
    await connector.process.waitForLine(/cannot connect to the gateway/);
    const [command, args] = posternCommand('tunnel', 'ready', '--metrics');
    const ready = await run(command, [...args, `127.0.0.1:${connector.metricsPort}`], {
      env: posternEnv(),
    });
    expect(ready.code).toBe(1);
    expect(ready.stderr).toMatch(/answers 503.*"readyConnections":0.*\(CLI_NOT_READY\)/);
    connector.process.kill('SIGTERM');
    expect(await timeToExit(connector.process)).toBeLessThan(AT_ONCE_MS);
    expect(connector.process.exit).toEqual({ code: 0, signal: null });
  });
});

describe('postern tunnel ready', () => {
  it('finds the connector by option, environment and file, and prints what it says', async () => {
    const connector = await startConnector({ gateway: await startGateway(), ingress: [] });
    await connector.linksUp();
    const metrics = `127.0.0.1:${connector.metricsPort}`;
    const ready = async (words: string[], env = {}) => {
      const [command, args] = posternCommand('tunnel', 'ready', ...words);
      return run(command, args, { env: posternEnv(env) });
    };
    expect(await ready(['--metrics', metrics])).toMatchObject({
      code: 0,
      stdout: 'The connector is ready.\n',
    });
    expect((await ready([], { POSTERN_METRICS: metrics })).code).toBe(0);
    const { code, stdout } = await ready(['--config', connector.configFile, '-o', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ready: true,
      readyConnections: 4,
      connectorId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      tunnel: connector.tunnel.name,
    });
    expect((await ready(['--metrics', `127.0.0.1:${await freePort()}`])).code).toBe(1);
  });
});
