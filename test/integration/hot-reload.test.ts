/**
 * Files of a gateway and a connector that change a hundred times while people are at work: what changes is in force at once,
 * no request fails, no stream is dropped; and what is broken changes nothing and is told.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

import { beforeAll, describe, expect, it, jest } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startForward } from '../support/client.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { startLinkProxy } from '../support/link-proxy.ts';
import { startDownload, startLiveStream, startWebSocket } from '../support/live-traffic.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
import { freePort, portOf } from '../support/real/port.ts';
import { startEcho, type TcpOrigin } from '../support/real/tcp-origin.ts';
import { say } from '../support/say.ts';
import { askEcho, askHttp, SteadyRequests } from '../support/steady-requests.ts';
import { startHandingOrigin, type HandingOrigin } from '../support/tcp-pair.ts';
import { TestAuthority } from '../support/test-authority.ts';

jest.setTimeout(240_000);

const WEB = 'web.postern.test';
const RAW = 'raw.postern.test';
const ECHO = 'echo.postern.test';
/** Its answer says which rules are in force, and whether it is let in, which policies are. */
const FLAG = 'flag.postern.test';

/** Each changes something at the gateway and something at the connector: a hundred reloads. */
const ROUNDS = 50;
const IN_FORCE = { deadlineMs: 20_000, everyMs: 20 };
/** The same where a process is started first. */
const TAKEN_OVER = { deadlineMs: 60_000, everyMs: 50 };

let gateway: Gateway;
let connector: Connector;
let authority: TestAuthority;
let web: HttpOrigin;
let raw: HandingOrigin;
let echo: TcpOrigin;

beforeAll(async () => {
  authority = await TestAuthority.create();
  [web, raw, echo] = await Promise.all([startHttpOrigin(), startHandingOrigin(), startEcho()]);
  gateway = await Gateway.create({
    tcp: [RAW, ECHO],
    config: {
      tls: { cert: './cert.pem', key: './key.pem' },
      log: { level: 'warn' },
      'default-policy': 'public',
      'grace-period': '600s',
    },
  });
  mkdirSync(join(gateway.dir, 'data'), { mode: 0o700 });
  writeFileSync(gateway.caFile, authority.pem);
  await issue();
  await gateway.start();
  connector = await startConnector({
    gateway,
    ingress: rules(200),
    config: { 'grace-period': undefined },
  });
  await connector.linksUp();
});

const rules = (status: number) => [
  { hostname: WEB, service: web.service },
  { hostname: RAW, service: raw.service },
  { hostname: ECHO, service: echo.service },
  { hostname: FLAG, service: `http_status:${status}` },
];

/** Replaces the certificate of the gateway; returns its fingerprint. */
async function issue(): Promise<string> {
  const { cert, key } = await authority.issue({
    dns: ['postern.test', '*.postern.test'],
    ip: ['127.0.0.1'],
  });
  writeFileSync(join(gateway.dir, 'cert.pem'), cert);
  writeFileSync(join(gateway.dir, 'key.pem'), key);
  return new X509Certificate(cert).fingerprint256;
}

async function servedCertificate(): Promise<string> {
  const socket = connectTls(gateway.connectOptions(WEB));
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  } finally {
    socket.destroy();
  }
}

async function flag(): Promise<number> {
  return (await gateway.fetch(FLAG)).status;
}

/** Whether everybody or nobody may see the flag. */
function admit(isAllowed: boolean): void {
  const policies = isAllowed ? [{ action: 'bypass', include: ['everyone'] }] : [];
  gateway.configure({ applications: [{ name: 'flag', hostname: FLAG, policies }] });
}

interface Detail {
  readonly config: {
    readonly since?: string;
    readonly refused?: { readonly code: string; readonly message: string };
    readonly waiting: readonly string[];
  };
}

/** What `/ready` says of the files. */
async function configOf(port: number): Promise<Detail['config']> {
  const answer = await fetch(`http://127.0.0.1:${port}/ready`);
  const { config }: Detail = JSON.parse(await answer.text());
  return config;
}

describe('a hundred changes in a minute', () => {
  it('are each in force at once, fail no request and drop no stream', async () => {
    guardLinks(connector);
    const users = [
      new SteadyRequests({ users: 4, ask: askHttp(gateway, WEB, '/slow?ms=5') }),
      new SteadyRequests({ users: 2, ask: askEcho(gateway.tcpPort(ECHO)) }),
    ];
    const stream = await startLiveStream(gateway.tcpPort(RAW), raw);
    const webSocket = await startWebSocket(gateway, WEB);
    const download = await startDownload(gateway, WEB, '/drip?ms=50&n=12000');
    let isLive = true;
    for (const end of [stream.clientEnd, stream.serverEnd, webSocket.end, download.end]) {
      void end.then(() => (isLive = false));
    }
    const since = performance.now();
    for (let round = 0; round < ROUNDS; round += 1) {
      const status = 201 + (round % 3);
      connector.configure(rules(status));
      if (round % 2 === 0) {
        // Everybody is let in before the first round.
        admit(round % 4 !== 0);
        const seen = round % 4 === 0 ? 403 : status;
        await eventually(async () => expect(await flag()).toBe(seen), IN_FORCE);
      } else {
        const fingerprint = await issue();
        await eventually(async () => expect(await servedCertificate()).toBe(fingerprint), IN_FORCE);
      }
      await eventually(async () => {
        expect((await configOf(connector.metricsPort)).refused).toBeUndefined();
        const taken = await connector.metric('postern_connector_config_reloads_total');
        expect(taken).toBeGreaterThan(round);
      }, IN_FORCE);
    }
    const tookMs = performance.now() - since;
    const moved = stream.moved();
    await eventually(() => stream.moved() > moved + 100);
    const asked = (await Promise.all(users.map((one) => one.stop()))).flat();
    const reloads = await Promise.all([
      gateway.metric('postern_gateway_config_reloads_total', { outcome: 'ok' }),
      connector.metric('postern_connector_config_reloads_total', { outcome: 'ok' }),
    ]);
    say(
      `${reloads.join(' + ')} reloads in ${(tookMs / 1000).toFixed(1)} s, ${asked.length} requests`,
    );
    expect(asked.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(asked.length).toBeGreaterThan(ROUNDS * 4);
    expect(isLive).toBe(true);
    expect((reloads[0] ?? 0) + (reloads[1] ?? 0)).toBeGreaterThanOrEqual(2 * ROUNDS);
    // A minute is for a machine that does nothing else: 20 s were measured there.
    expect(tookMs).toBeLessThan(3 * 60_000);
    for (const socket of [stream.client, stream.server]) socket.end();
    webSocket.socket.terminate();
  });
});

describe('what is broken', () => {
  it('changes nothing at the gateway, is in its log, status and metrics, and goes away when it is put right', async () => {
    admit(true);
    connector.configure(rules(204));
    await eventually(async () => expect(await flag()).toBe(204), IN_FORCE);
    const fingerprint = await servedCertificate();
    writeFileSync(join(gateway.dir, 'key.pem'), 'no key');
    gateway.configure({ applications: [], 'default-policy': 'deny' });
    await eventually(
      async () => expect(await gateway.metric('postern_gateway_config_refused')).toBe(1),
      IN_FORCE,
    );
    expect(await gateway.json('gateway', 'status')).toMatchObject({
      config: { refused: { code: 'CONFIG_TLS', message: expect.stringContaining('key.pem') } },
    });
    expect((await gateway.cli('gateway', 'status')).stdout).toMatch(/^refused +since .*key\.pem/m);
    expect(gateway.log).toContainEqual(
      expect.objectContaining({ level: 'error', errCode: 'CONFIG_TLS' }),
    );
    expect([await flag(), await servedCertificate()]).toEqual([204, fingerprint]);
    const next = await issue();
    await eventually(async () => expect(await servedCertificate()).toBe(next), IN_FORCE);
    expect(await flag()).toBe(403);
    expect(await gateway.metric('postern_gateway_config_refused')).toBe(0);
  });

  it('changes nothing at the connector, and is in its log, readiness and metrics', async () => {
    admit(true);
    await eventually(async () => expect(await flag()).toBe(204), IN_FORCE);
    writeFileSync(connector.configFile, 'ingress: [');
    await eventually(
      async () => expect(await connector.metric('postern_connector_config_refused')).toBe(1),
      IN_FORCE,
    );
    expect((await configOf(connector.metricsPort)).refused).toMatchObject({
      code: 'CONFIG_SYNTAX',
    });
    expect(await flag()).toBe(204);
    connector.configure(rules(205));
    await eventually(async () => expect(await flag()).toBe(205), IN_FORCE);
    expect((await configOf(connector.metricsPort)).refused).toBeUndefined();
  });
});

/** What may not end, with those who ask all the time. */
interface Traffic {
  /** Resolves with what was not answered, once all is seen to be alive. */
  end(): Promise<unknown[]>;
}

async function startTraffic(): Promise<Traffic> {
  const users = [
    new SteadyRequests({ users: 2, ask: askHttp(gateway, WEB, '/slow?ms=5') }),
    new SteadyRequests({ users: 1, ask: askEcho(gateway.tcpPort(ECHO)) }),
  ];
  const forward = await startForward({ gateway, hostname: RAW });
  const streams = [
    await startLiveStream(forward.port, raw),
    await startLiveStream(gateway.tcpPort(RAW), raw),
  ];
  const webSocket = await startWebSocket(gateway, WEB);
  const ended: string[] = [];
  void webSocket.end.then(({ how }) => ended.push(`WebSocket ${how}`));
  for (const stream of streams) {
    void stream.clientEnd.then(({ how }) => ended.push(`client ${how}`));
    void stream.serverEnd.then(({ how }) => ended.push(`origin ${how}`));
  }
  return {
    end: async () => {
      const moved = streams.map((stream) => stream.moved());
      await eventually(
        () => streams.every((stream, at) => stream.moved() > (moved[at] ?? 0) + 100),
        IN_FORCE,
      );
      const asked = (await Promise.all(users.map((one) => one.stop()))).flat();
      expect(asked.length).toBeGreaterThan(10);
      const failures = asked.filter(({ failure }) => failure !== undefined);
      const dropped = [...ended];
      for (const { client, server } of streams) for (const socket of [client, server]) socket.end();
      webSocket.socket.terminate();
      return [...failures, ...dropped];
    },
  };
}

/** The number of the worker that serves. */
async function generation(): Promise<number> {
  return Number(Reflect.get(Object(await gateway.json('gateway', 'status')), 'generation'));
}

/** Where plain HTTP leads: it says which port users see. */
async function redirect(): Promise<string> {
  const asked = request({
    port: gateway.ports.http,
    host: '127.0.0.1',
    headers: { host: WEB },
    agent: false,
  }).end();
  const [answer]: IncomingMessage[] = await once(asked, 'response');
  answer?.resume();
  return answer?.headers.location ?? '';
}

describe('what needs a new process', () => {
  it('waits by name where the file says so', async () => {
    gateway.configure({ 'config-watch': 'in-place', 'external-port': 4443 });
    await eventually(
      async () => expect(await gateway.metric('postern_gateway_config_waiting')).toBe(1),
      IN_FORCE,
    );
    const { stdout } = await gateway.cli('gateway', 'status');
    expect(stdout).toMatch(/^waits for a reload +external-port$/m);
  });

  it('is taken over by one, the last of many edits, and nothing is dropped', async () => {
    const traffic = await startTraffic();
    const port = await freePort();
    const last = {
      'identity-providers': [
        { id: 'house', type: 'local', name: 'The house' },
        {
          id: 'far',
          type: 'oidc',
          name: 'Far away',
          issuer: 'https://127.0.0.1:9',
          'client-id': 'x',
        },
      ],
      tcp: [
        ...[RAW, ECHO].map((hostname) => ({
          hostname,
          listen: `127.0.0.1:${gateway.tcpPort(hostname)}`,
        })),
        { hostname: ECHO, listen: `127.0.0.1:${port}` },
      ],
    };
    for (let edit = 1; edit <= 10; edit += 1) {
      gateway.configure({ ...(edit === 10 && last), 'external-port': 4450 + edit });
      // A look at a time: some edits are seen, some are not.
      await redirect();
    }
    await eventually(async () => expect(await redirect()).toContain(':4460/'), TAKEN_OVER);
    await eventually(async () => expect(await askEcho(port)(0)).toBeUndefined(), IN_FORCE);
    const chooser = await gateway.fetch('auth.postern.test', '/');
    expect(chooser.body.toString()).toMatch(/The house[^]*Far away/);
    expect(await traffic.end()).toEqual([]);

    // Ports that cannot be had are found out by the process that tries, and the one before goes on.
    const before = await generation();
    expect(before).toBeLessThanOrEqual(4);
    const taken = createServer().listen(0, '127.0.0.1');
    cleanup(() => taken.close());
    await once(taken, 'listening');
    const listen = `127.0.0.1:${portOf(taken)}`;
    gateway.configure({ ...last, 'default-policy': 'deny', tcp: [{ hostname: ECHO, listen }] });
    await eventually(
      async () => expect(await gateway.metric('postern_gateway_config_refused')).toBe(1),
      TAKEN_OVER,
    );
    const status = await gateway.cli('gateway', 'status');
    expect(status.stdout).toMatch(/^refused +since .*tcp.*\(CONFIG_PORT_IN_USE\)$/m);
    expect(await askEcho(port)(0)).toBeUndefined();
    expect((await gateway.fetch(FLAG)).status).not.toBe(403);
    // What cannot even be read starts none.
    gateway.configure({ 'identity-providers': [{ id: 'x', type: 'ldap' }] });
    await eventually(async () => {
      expect((await configOf(gateway.ports.metrics)).refused?.code).toBe('CONFIG_INVALID');
    }, IN_FORCE);
    gateway.configure({ ...last, 'external-port': 4460 });
    await eventually(async () => {
      expect(await configOf(gateway.ports.metrics)).toMatchObject({ waiting: [] });
      expect(await gateway.metric('postern_gateway_config_refused')).toBe(0);
    }, IN_FORCE);
    expect(await generation()).toBe(before);
  });

  it('is taken over by another connector too, which its streams outlive', async () => {
    const traffic = await startTraffic();
    const proxy = await startLinkProxy({ target: { port: gateway.ports.https } });
    connector.configure(rules(206), {
      gateway: [gateway.url, `https://127.0.0.1:${proxy.port}`],
      'ha-connections': 2,
    });
    await eventually(async () => expect(await flag()).toBe(206), TAKEN_OVER);
    await connector.linksUp(2);
    expect(proxy.connections()).toBe(1);
    expect(await traffic.end()).toEqual([]);
  });
});
