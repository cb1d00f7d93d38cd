/**
 * `postern access tcp` where things are not as one would wish: nothing there, nobody allowed, half-closed connections, links
 * that break at any moment of their making, a path of 300 ms, a connector that is killed, and a neighbour who is hostile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';

import { encodeAck, encodeDataHeader, encodeJson } from '../../src/protocol/frame.ts';
import { cleanup } from '../support/cleanup.ts';
import { clientEnv, startForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { Exchanges } from '../support/exchange.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { dialLink, HELLO, type LinkBytes } from '../support/link-bytes.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { freePort } from '../support/real/port.ts';
import { startTcpOrigin } from '../support/real/tcp-origin.ts';
import { posternCommand, posternEnv, run, type RunResult } from '../support/run.ts';
import { say } from '../support/say.ts';
import { openTcp, pour } from '../support/tcp-client.ts';
import { tempDir } from '../support/temp-dir.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const EXCHANGE = 'db.postern.test';
const COUNT = 'count.postern.test';
const DEAD = 'dead.postern.test';
const CLOSED = 'closed.postern.test';
const CLOSING = 'closing.postern.test';

let gateway: Gateway;
let connector: Connector;
let exchanges: Exchanges;

beforeAll(async () => {
  exchanges = await Exchanges.start();
  // Says how much it got, but only once it has got all.
  const count = await startTcpOrigin((socket) => {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    socket.on('end', () => socket.end(`${bytes} bytes`));
  });
  const closing = await startTcpOrigin((socket) => socket.end('good bye'));
  gateway = await startGateway({
    config: {
      applications: [
        {
          name: 'closed',
          hostname: CLOSED,
          policies: [{ name: 'nobody', action: 'deny', include: ['everyone'] }],
        },
      ],
    },
  });
  connector = await startConnector({
    gateway,
    ingress: [
      { hostname: EXCHANGE, service: exchanges.origin.service },
      { hostname: COUNT, service: count.service },
      { hostname: DEAD, service: `tcp://127.0.0.1:${await freePort()}` },
      { hostname: CLOSED, service: count.service },
      { hostname: CLOSING, service: closing.service },
    ],
  });
  await connector.linksUp();
});

function pipe(hostname: string, input = ''): Promise<RunResult> {
  const [command, args] = posternCommand('access', 'tcp', '--hostname', hostname);
  return run(command, args, { input, env: posternEnv(clientEnv(gateway)) });
}

describe('standard input and output', () => {
  it('end one after the other, whichever is first', async () => {
    const { code, stdout, stderr } = await pipe(COUNT, 'x'.repeat(100_000));
    expect([code, stdout, stderr]).toEqual([0, '100000 bytes', '']);
  });

  it.each([
    ['unknown.postern.test', 1, 'ROUTE_NOT_FOUND'],
    [DEAD, 1, 'ORIGIN_REFUSED'],
    [CLOSED, 3, 'ACCESS_SIGN_IN'],
  ])('to %s end with status %i and one line that says why', async (hostname, status, what) => {
    const { code, stdout, stderr } = await pipe(hostname, 'lost');
    expect([code, stdout]).toEqual([status, '']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(what);
    // Why somebody is not allowed is not for them.
    expect(stderr).not.toContain('nobody');
  });

  it('show the end of what came while there may be more to send', async () => {
    const [command, args] = posternCommand('access', 'tcp', '--hostname', CLOSING);
    const env = { ...process.env, ...posternEnv(clientEnv(gateway)) };
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    cleanup(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(child.stdout, 'end');
    expect([said, child.exitCode]).toEqual(['good bye', null]);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });

  it('without a gateway end with status 1 and the reason', async () => {
    const [command, args] = posternCommand('access', 'tcp', '--hostname', COUNT);
    const env = posternEnv(clientEnv(gateway, { port: await freePort() }));
    const { code, stderr } = await run(command, args, { env });
    expect(code).toBe(1);
    expect(stderr).toContain('LINK_REFUSED');
  });
});

describe('a file of forwards', () => {
  it('carries all of them over one link', async () => {
    const dir = tempDir('forwards');
    const file = join(dir, 'client.yaml');
    const ports = [await freePort(), await freePort()];
    writeFileSync(
      file,
      stringify({
        gateway: gateway.url,
        ca: gateway.caFile,
        forwards: [
          { hostname: EXCHANGE, listen: `127.0.0.1:${ports[0]}` },
          { hostname: COUNT, listen: `127.0.0.1:${ports[1]}` },
        ],
      }),
    );
    const client = startClient(['access', 'tcp', '--config', file]);
    await client.waitForLine(new RegExp(`is on 127\\.0\\.0\\.1:${ports[1]}$`));
    const before = await gateway.metric('postern_gateway_streams_open');
    const all = Array.from({ length: 10 }, () =>
      exchanges.begin(ports[0] ?? 0, { up: 300 * KiB, down: 300 * KiB }),
    );
    const counted = openTcp(ports[1] ?? 0);
    counted.end('four');
    const [said] = (await once(counted, 'data')) as [Buffer];
    expect(said.toString()).toBe('4 bytes');
    await Promise.all(all.map(({ done }) => done));
    await eventually(async () => {
      expect(await gateway.metric('postern_gateway_streams_open')).toBe(before);
    });
    expect(gateway.log.filter(({ msg }) => msg === 'client connected').length).toBeGreaterThan(0);
    const { code } = await client.stop();
    expect(code).toBe(0);
  });
});

describe('links that break', () => {
  it('while they are made, on either side, only make the client and the connector dial again', async () => {
    const target = { port: gateway.ports.https };
    const [near, far] = [await startLinkProxy({ target }), await startLinkProxy({ target })];
    const hostname = 'broken.postern.test';
    const broken = await startConnector({
      gateway,
      via: [far],
      config: { 'ha-connections': 1 },
      ingress: [{ hostname, service: exchanges.origin.service }],
    });
    await broken.linksUp(1);
    const forward = await startForward({ gateway, hostname, via: near });
    const exchange = exchanges.begin(forward.port, { up: Infinity, down: Infinity, paceMs: 5 });
    await eventually(() => exchange.hasArrived);
    let cuts = 0;
    // TLS, the upgrade, hello, register, the answer, OPEN, ACCEPT, and what waited to be sent.
    for (let bytes = 100; bytes < 9_000; bytes += 900) {
      for (const side of [near, far]) {
        const dials = side.accepted();
        side.cutAll();
        await eventually(() => side.accepted() > dials, { everyMs: 1, deadlineMs: 30_000 });
        await side.cutAfterBytes(bytes, cuts % 4 < 2 ? 'reset' : 'fin');
        cuts += 2;
      }
      const { received } = exchange;
      await eventually(() => exchange.received > received + 1_000, {
        deadlineMs: 30_000,
        what: 'the stream to move again',
      });
    }
    exchange.finish();
    await exchange.done;
    say(`${cuts} cuts; stood still for ${Math.round(exchange.longestGapMs)} ms at most`);
  }, 120_000);

  it('with a connector that is killed: what it carried waits, and new connections are served by the next', async () => {
    const hostname = 'killed.postern.test';
    const killed = await startConnector({
      gateway,
      ingress: [{ hostname, service: exchanges.origin.service }],
    });
    await killed.linksUp();
    const forward = await startForward({ gateway, hostname });
    const lost = exchanges.begin(forward.port, { up: Infinity, down: Infinity, paceMs: 5 });
    lost.done.catch(() => undefined);
    await eventually(() => lost.hasArrived);
    await killed.stop('SIGKILL');
    const refused = exchanges.begin(forward.port, { up: 10, down: 10 });
    await expect(refused.done).rejects.toThrow();
    await forward.process.waitForLine(/ROUTE_NO_REPLICA/);
    killed.start();
    await killed.ready();
    await exchanges.begin(forward.port, { up: 10_000, down: 10_000 }).done;
    // The stream of the one that died: nobody says that it is over, so it waits for its time to be up.
    const { code } = await forward.process.stop();
    expect(code).toBe(0);
  });
});

describe('a long path', () => {
  const DELAY_MS = 75;
  /** Client to gateway and gateway to connector, there and back. */
  const ROUND_TRIP_MS = 4 * DELAY_MS;
  const SECONDS = 2;

  it.each(['down', 'up'] as const)(
    `of ${ROUND_TRIP_MS} ms carries far more than a fixed window would: %s`,
    async (direction) => {
      const target = { port: gateway.ports.https };
      const [near, far] = [
        await startLinkProxy({ target, delayMs: DELAY_MS }),
        await startLinkProxy({ target, delayMs: DELAY_MS }),
      ];
      let bytes = 0;
      const origin = await startTcpOrigin((socket) => {
        if (direction === 'down') pour(socket);
        else socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
      });
      const hostname = `long-${direction}.postern.test`;
      const long = await startConnector({
        gateway,
        via: [far],
        ingress: [{ hostname, service: origin.service }],
      });
      await long.linksUp();
      const forward = await startForward({ gateway, hostname, via: near });
      const socket = openTcp(forward.port);
      if (direction === 'down') socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
      else pour(socket);
      const fixed = (256 * KiB) / (ROUND_TRIP_MS / 1000);
      // The window has grown by then.
      await eventually(() => bytes > 32 * MiB, { deadlineMs: 30_000, what: '32 MiB' });
      const [since, from] = [performance.now(), bytes];
      await eventually(() => performance.now() - since > SECONDS * 1000, {
        deadlineMs: 2 * SECONDS * 1000,
      });
      const rate = ((bytes - from) / (performance.now() - since)) * 1000;
      say(
        `${direction}: ${Math.round((rate * 8) / 1e6)} Mbit/s over ${ROUND_TRIP_MS} ms; ` +
          `a window of 256 KiB would carry ${Math.round((fixed * 8) / 1e6)}`,
      );
      expect(rate).toBeGreaterThan(5 * fixed);
      socket.destroy();
    },
  );
});

describe('a hostile client', () => {
  const POSITION = { received: 0, consumed: 0, window: 256 * KiB };

  async function admitted(): Promise<LinkBytes> {
    const link = await dialLink(gateway);
    link.control(HELLO);
    link.control({ type: 'register', role: 'client' });
    await eventually(() => link.controls.some(({ type }) => type === 'admitted'));
    return link;
  }

  function open(id: number, changes: object = {}): Buffer {
    return encodeJson('OPEN', id, {
      key: `hostile${String(Math.random()).slice(2).padEnd(24, '0')}`,
      epoch: 0,
      resume: false,
      position: POSITION,
      request: { kind: 'tcp', hostname: EXCHANGE, rule: '', requestId: 'q' },
      ...changes,
    });
  }

  it('M13 loses its own link, and disturbs nobody, whatever it sends', async () => {
    const forward = await startForward({ gateway, hostname: EXCHANGE });
    const neighbour = exchanges.begin(forward.port, { up: Infinity, down: Infinity, paceMs: 5 });
    await eventually(() => neighbour.hasArrived);
    const links = await gateway.metric('postern_gateway_links');
    const data = (id: number, offset: number): Buffer =>
      Buffer.concat([encodeDataHeader(id, offset, 0), Buffer.from('x')]);
    const tries: readonly (readonly Buffer[])[] = [
      [data(1, 0)],
      [open(1), open(1)],
      [open(2)],
      [open(1), data(1, 5)],
      [open(1), encodeAck(1, 1_000, 1_000)],
      [open(1), encodeJson('ACCEPT', 1, { position: POSITION, info: {} })],
      [open(1, { epoch: 1 }), data(1, 0)],
      [open(1, { relayMs: 60_001 })],
      [open(1, { key: 'short' })],
      [Buffer.from('ff00000001', 'hex')],
    ];
    for (const frames of tries) {
      const link = await admitted();
      for (const frame of frames) link.send(frame);
      expect((await link.closed).code).toBe(4400);
    }
    // What is allowed, and once was more than the connector took.
    const polite = await admitted();
    polite.send(open(1, { relayMs: 60_000 }));
    await polite.frame('ACCEPT');
    const { received } = neighbour;
    await eventually(() => neighbour.received > received + 1_000);
    expect(await gateway.metric('postern_gateway_links')).toBe(links);
    expect(connector.log.filter(({ msg }) => msg === 'link lost')).toEqual([]);
    neighbour.finish();
    await neighbour.done;
  });
});

function startClient(words: readonly string[]): TestProcess {
  const [command, args] = posternCommand(...words);
  return startProcess(command, args, {
    name: 'access tcp',
    env: posternEnv({ POSTERN_HOME: tempDir('client') }),
  });
}
