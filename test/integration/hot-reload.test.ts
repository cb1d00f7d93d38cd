/**
 * Files of a gateway and a connector that change a hundred times while people are at work: what changes is in force at once,
 * no request fails, no stream is dropped; and what is broken changes nothing and is told.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

import { beforeAll, describe, expect, it, jest } from '@jest/globals';

import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector } from '../support/connector.ts';
import { guardLinks } from '../support/disconnect-guard.ts';
import { eventually } from '../support/eventually.ts';
import { Gateway } from '../support/gateway.ts';
import { startDownload, startLiveStream, startWebSocket } from '../support/live-traffic.ts';
import { startHttpOrigin, type HttpOrigin } from '../support/real/http-origin.ts';
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
    },
  });
  mkdirSync(join(gateway.dir, 'data'), { mode: 0o700 });
  writeFileSync(gateway.caFile, authority.pem);
  await issue();
  await gateway.start();
  connector = await startConnector({ gateway, ingress: rules(200) });
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

  it('and what needs a new worker waits for a reload, by name', async () => {
    gateway.configure({ 'external-port': 4443 });
    await eventually(
      async () => expect(await gateway.metric('postern_gateway_config_waiting')).toBe(1),
      IN_FORCE,
    );
    const { stdout } = await gateway.cli('gateway', 'status');
    expect(stdout).toMatch(/^waits for a reload +external-port$/m);
    await gateway.reload();
    cleanup(() => gateway.configure());
    await eventually(async () => {
      expect((await configOf(gateway.ports.metrics)).waiting).toEqual([]);
    }, IN_FORCE);
  });
});
