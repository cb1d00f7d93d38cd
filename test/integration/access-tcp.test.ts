/**
 * `postern access tcp` for real: a client, a gateway and a connector in processes of their own. Streams run between client and
 * connector, so they live through the end of either link, and of the gateway.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';

import { AT_ONCE_MS } from '../support/at-once.ts';
import { startForward, clientEnv, type RunningForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges } from '../support/exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy, type LinkProxy } from '../support/link-proxy.ts';
import { startTcpOrigin } from '../support/real/tcp-origin.ts';
import { posternCommand, posternEnv, run } from '../support/run.ts';
import { metricBecomes } from '../support/ops-client.ts';
import { startProcess } from '../support/processes.ts';
import { say } from '../support/say.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const MiB = 1024 * 1024;
const HOSTNAME = 'db.postern.test';
const ECHO = 'echo.postern.test';
const CUTS = 100;
/** Bytes each way through the cuts. */
const BULK = 256 * MiB;

let gateway: Gateway;
let connector: Connector;
let forward: RunningForward;
let exchanges: Exchanges;
/** Between the client and the gateway, and between the connector and the gateway. */
let near: LinkProxy;
let far: LinkProxy;

beforeAll(async () => {
  exchanges = await Exchanges.start();
  const echo = await startTcpOrigin((socket) => socket.pipe(socket));
  gateway = await startGateway();
  near = await startLinkProxy({ target: { port: gateway.ports.https } });
  far = await startLinkProxy({ target: { port: gateway.ports.https } });
  connector = await startConnector({
    gateway,
    via: [far],
    ingress: [
      { hostname: HOSTNAME, service: exchanges.origin.service },
      { hostname: ECHO, service: echo.service },
    ],
  });
  await connector.linksUp();
  forward = await startForward({ gateway, hostname: HOSTNAME, via: near });
});

describe('postern access tcp', () => {
  it('carries standard input and output, each ending by itself', async () => {
    const [command, args] = posternCommand('access', 'tcp', '--hostname', ECHO);
    const env = posternEnv(clientEnv(gateway));
    const input = Buffer.alloc(3 * MiB, 'postern ');
    const { code, stdoutBytes, stderr } = await run(command, args, { input, env });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdoutBytes.equals(input)).toBe(true);
  });

  it('is not put off by a gateway that goes away in the middle of the first handshake', async () => {
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    void path.cutAfterBytes(100);
    const [command, args] = posternCommand('access', 'tcp', '--hostname', ECHO);
    const env = posternEnv(clientEnv(gateway, path));
    const result = await run(command, args, { input: 'hello\n', env });
    expect(result).toMatchObject({ code: 0, stdout: 'hello\n', stderr: '' });
    expect(path.accepted()).toBeGreaterThan(1);
  });

  it('ends its stream in order when ssh hangs up', async () => {
    const [command, args] = posternCommand('access', 'tcp', '--hostname', ECHO);
    const pipe = startProcess(command, args, { env: posternEnv(clientEnv(gateway)) });
    pipe.stdin.write('hello\n');
    await pipe.waitForLine(/^hello$/);
    pipe.kill('SIGHUP');
    expect(await pipe.exited).toEqual({ code: 0, signal: null });
    // Not the five minutes for which a client that may come back is waited for.
    await metricBecomes(connector.metricsPort, 'postern_connector_streams_open', 0);
    expect(gateway.log.map(({ msg }) => msg)).not.toContain('client stream detached');
  });

  it(`loses nothing in ${CUTS} cuts of either link`, async () => {
    const random = new SeededRandom();
    const exchange = exchanges.begin(forward.port, { up: BULK, down: BULK });
    const since = performance.now();
    const share = (2 * BULK) / CUTS;
    let cuts = 0;
    const cutting = (async (): Promise<void> => {
      for (; cuts < CUTS; cuts += 1) {
        const side = random.next() < 0.5 ? near : far;
        await side.cutAfterBytes(random.below(share), random.next() < 0.7 ? 'reset' : 'fin');
      }
    })();
    await Promise.race([cutting, exchange.done]);
    await exchange.done;
    const seconds = (performance.now() - since) / 1000;
    say(
      `${cuts} cuts in ${seconds.toFixed(1)} s while ${(2 * BULK) / MiB} MiB went through; ` +
        `stood still for ${Math.round(exchange.longestGapMs)} ms at most`,
    );
    expect(cuts).toBe(CUTS);
  }, 180_000);

  it("ends at once when the tunnel's token is rotated", async () => {
    const tunnel = await gateway.createTunnel('rotated', ['rotated.postern.test']);
    const ingress = [{ hostname: 'rotated.postern.test', service: exchanges.origin.service }];
    const doomed = await startConnector({ gateway, ingress, tunnel });
    const { port } = await startForward({ gateway, hostname: 'rotated.postern.test' });
    const exchange = exchanges.begin(port, { up: Infinity, down: Infinity, paceMs: 5 });
    await eventually(() => exchange.hasArrived);
    const since = performance.now();
    const broken = exchange.done.then(
      () => 'whole',
      () => 'broken',
    );
    await gateway.json('tunnel', 'rotate', tunnel.name);
    const rotated = performance.now();
    expect(await broken).toBe('broken');
    const [ms, ofCommand] = [performance.now() - since, rotated - since].map(Math.round);
    say(`ended ${ms} ms after the command was started, which took ${ofCommand} ms`);
    expect(performance.now() - rotated).toBeLessThan(AT_ONCE_MS);
    await doomed.stop();
  });

  it('goes on after a kill -9 of the gateway', async () => {
    const exchange = exchanges.begin(forward.port, { up: Infinity, down: Infinity, paceMs: 5 });
    await eventually(() => exchange.hasArrived);
    await gateway.restart('SIGKILL');
    const received = exchange.received;
    await eventually(() => exchange.received > received + 10_000, {
      deadlineMs: 20_000,
      what: 'the stream to move again',
    });
    exchange.finish();
    await exchange.done;
    say(`stood still for ${Math.round(exchange.longestGapMs)} ms, most of it the gateway's start`);
  });
});
