/**
 * A connector that is killed with -9: with a second replica nobody who comes later notices, and one that is started again tells the
 * gateway which streams will never go on, so that nobody waits for them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { startForward, type RunningForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { reloadByCommand } from '../support/connector-reload.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { startDownload, startLiveStream, startWebSocket } from '../support/live-traffic.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { run } from '../support/run.ts';
import { say } from '../support/say.ts';
import { askEcho, askHttp, SteadyRequests } from '../support/steady-requests.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const ECHO = 'echo.postern.test';
const OTHER = 'other.postern.test';

let gateway: Gateway;
let web: HttpOrigin;
let raw: HandingOrigin;
let echo: TcpOrigin;
let connector: Connector;
let forward: RunningForward;

beforeAll(async () => {
  [web, raw, echo] = await Promise.all([startHttpOrigin(), startHandingOrigin(), startEcho()]);
  gateway = await startGateway({
    tcp: [RAW, ECHO, OTHER],
    // Those who wait for a dead connector in vain are told by then.
    config: { 'resume-timeout': '5s' },
  });
  connector = await startConnector({
    gateway,
    ingress: [
      { hostname: WEB, service: web.service },
      { hostname: RAW, service: raw.service },
      { hostname: ECHO, service: echo.service },
    ],
  });
  await connector.linksUp();
  forward = await startForward({ gateway, hostname: RAW });
});

/** The lines in which the gateway says that it gave up a dead run. */
function restarts(): string[] {
  return gateway.log
    .filter(({ msg }) => msg === 'a connector was restarted')
    .map(({ replicaId }) => String(replicaId));
}

/** The id of the run that is there now, from its record in the runtime folder. */
function runOf({ dir }: Connector): { file: string; record: Record<string, unknown> } {
  const folder = join(dir, 'connectors');
  const [name] = readdirSync(folder).filter((one) => one.endsWith('.json'));
  const file = join(folder, String(name));
  return { file, record: JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown> };
}

describe('a connector that is killed and started again', () => {
  it('has the gateway end at once what the dead one had, and nothing else', async () => {
    const { record } = runOf(connector);
    const plain = await startLiveStream(gateway.tcpPort(RAW), raw);
    const relayed = await startLiveStream(forward.port, raw);
    const download = await startDownload(gateway, WEB, '/drip?n=60000&ms=10');
    const webSocket = await startWebSocket(gateway, WEB);
    // It has not been answered yet, and must not be made twice.
    const asked = gateway.fetch(WEB, '/slow?ms=60000', { method: 'POST' });
    const askedSafely = gateway.fetch(WEB, '/slow?ms=1500');
    await eventually(async () => (await web.stats()).requests >= 4);

    await connector.stop('SIGKILL');
    connector.start();
    await connector.ready();
    const readyAt = Date.now();
    const ends = [plain.clientEnd, relayed.clientEnd, download.end, webSocket.end];
    expect((await asked).status).toBe(502);
    expect((await askedSafely).status).toBe(200);
    const ended = await Promise.all(ends);
    expect(ended.map(({ how }) => how)).toEqual(['reset', 'reset', 'broken', 1012]);
    const [last] = ended.map(({ at }) => at - readyAt).toSorted((a, b) => b - a);
    say(`the last one heard of it ${last} ms after the new one was ready`);
    // A client that found no way asks again at pauses of up to 2 s.
    expect(last).toBeLessThan(12_000);
    await forward.process.waitForLine(/the connector was restarted \(STREAM_LOST\)/);
    expect(restarts()).toEqual([record['replica']]);
    expect(await askEcho(gateway.tcpPort(ECHO))(0)).toBeUndefined();
    // What it left is gone.
    expect(readdirSync(join(connector.dir, 'connectors'))).toHaveLength(2);
  });

  it('is not taken for dead when it only lost its links, nor when it was reloaded', async () => {
    const path = await startLinkProxy({ target: { port: gateway.ports.https } });
    const tunnel = await gateway.createTunnel('away', [OTHER]);
    const ingress = [{ hostname: OTHER, service: raw.service }];
    const away = await startConnector({ gateway, tunnel, ingress, via: [path] });
    await away.linksUp();
    const before = restarts().length;
    const stream = await startLiveStream(gateway.tcpPort(OTHER), raw);
    await reloadByCommand(away);
    // It has hardly a link while the other one starts.
    const cutting = setInterval(() => path.cutAll(), 20);
    const beside = await startConnector({
      gateway,
      tunnel,
      ingress,
      env: { RUNTIME_DIRECTORY: away.dir },
    });
    clearInterval(cutting);
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved + 100, { deadlineMs: 30_000 });
    expect(restarts()).toHaveLength(before);
    await Promise.all([beside.stop(), away.stop()]);
  });

  it('cannot end what another tunnel has, whatever it says', async () => {
    const victim = runOf(connector).record['replica'];
    const stream = await startLiveStream(gateway.tcpPort(RAW), raw);
    const hostile = await startConnector({ gateway, ingress: [{ service: 'http_status:418' }] });
    await hostile.stop('SIGKILL');
    const { file, record } = runOf(hostile);
    await forgeRun(file, { ...record, replica: victim });
    hostile.start();
    await hostile.ready();
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved + 100);
    expect(restarts()).not.toContain(victim);
    const other = await startLiveStream(forward.port, raw);
    await eventually(() => other.moved() > 100);
    await hostile.stop();
  });
});

describe('one of two replicas that is killed', () => {
  it('fails nobody who comes after', async () => {
    const second = await startConnector({
      gateway,
      tunnel: connector.tunnel,
      ingress: [
        { hostname: WEB, service: web.service },
        { hostname: ECHO, service: echo.service },
      ],
    });
    await second.linksUp();
    const users = [
      new SteadyRequests({ users: 8, ask: askHttp(gateway, WEB, '/slow?ms=5') }),
      new SteadyRequests({ users: 4, ask: askEcho(gateway.tcpPort(ECHO)) }),
    ];
    await eventually(() => users.every(({ asked }) => asked.length > 50), { deadlineMs: 30_000 });
    await second.stop('SIGKILL');
    // On a busy machine the gateway may take a moment to hear of it.
    await eventually(async () =>
      expect(
        await gateway.metric('postern_gateway_replicas', { tunnel: connector.tunnel.name }),
      ).toBe(1),
    );
    const killedAt = performance.now();
    await eventually(() => performance.now() > killedAt + 2_000);
    const asked = (await Promise.all(users.map((one) => one.stop()))).flat();
    const later = asked.filter(({ startedAt }) => startedAt > killedAt);
    const failed = asked.filter(({ failure }) => failure !== undefined);
    say(
      `${later.length} requests after the kill, none failed; ${failed.length} of those under way were lost`,
    );
    expect(later.filter(({ failure }) => failure !== undefined)).toEqual([]);
  });
});

/** Puts a record there as if its run had died, with a socket on which nobody listens. */
async function forgeRun(file: string, record: Record<string, unknown>): Promise<void> {
  const name = String(record['replica']).replaceAll('-', '').slice(0, 16);
  const folder = join(file, '..');
  const socket = join(folder, `${name}.sock`);
  const script = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await run(process.execPath, ['-e', script]);
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(record), { mode: 0o600 });
}
