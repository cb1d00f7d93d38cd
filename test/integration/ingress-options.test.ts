/**
 * Every service that an ingress rule may name and every option of `originRequest`, each by what it does at a real origin.
 * One gateway and one connector for all of them; bastion and SOCKS are in ingress-chosen.test.ts.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';

import { cleanup } from '../support/cleanup.ts';
import { startConnector, type Connector, type IngressEntry } from '../support/connector.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway, type Answer, type Gateway } from '../support/gateway.ts';
import { OwnResolver } from '../support/own-resolver.ts';
import { startProcess } from '../support/processes.ts';
import { startNginx } from '../support/real/nginx.ts';
import { freePort, portOf } from '../support/real/port.ts';
import { whenReady } from '../support/real/ready.ts';
import { startEcho } from '../support/real/tcp-origin.ts';
import {
  startTellingOrigin,
  type Told,
  type TellingOrigin,
} from '../support/real/telling-origin.ts';
import { mustRun, posternCommand, posternEnv, run } from '../support/run.ts';
import { EchoClient, openTcp } from '../support/tcp-client.ts';
import { tempDir } from '../support/temp-dir.ts';
import { TestAuthority } from '../support/test-authority.ts';
import { requireTools, toolPath } from '../support/tools.ts';
import { startDeafServer, startSilentServer } from '../unit/connector/origin/deaf-server.ts';

const TCP_SCHEMES = ['tcp', 'ssh', 'rdp', 'smb', 'tcp+tls'];
/** Where users come from whom an origin should see. */
const USER = '127.0.0.7';

let gateway: Gateway;
let connector: Connector;
const kept: TellingOrigin[] = [];
let keepAlivePort: number;

function at(name: string): string {
  return `${name}.postern.test`;
}

beforeAll(async () => {
  requireTools('nginx', 'haproxy', 'ss', 'curl');
  const authority = await TestAuthority.create();
  const caPool = authority.writeFile();
  const tls = await authority.issue({ dns: ['inside.test', at('vhost-a'), at('vhost-b')] });
  const [plain, secure, h2c] = await Promise.all([
    startTellingOrigin(),
    startTellingOrigin({ tls }),
    startTellingOrigin({ h2c: true }),
  ]);
  kept.push(await startTellingOrigin(), await startTellingOrigin(), await startTellingOrigin());
  const dir = tempDir('origin');
  const [path, tlsPath] = [join(dir, 'a.sock'), join(dir, 'b.sock')];
  await startTellingOrigin({ path });
  await startTellingOrigin({ path: tlsPath, tls });
  const echo = await startEcho();
  keepAlivePort = (await startEcho()).port;
  const tlsEcho = await startTlsEcho(tls);
  const deafPort = await startDeafServer();
  const halfDeafPort = await startDeafServer({ host: '::1' });
  await startTellingOrigin({ port: halfDeafPort });
  const silent = await startSilentServer();
  const { nginxPort, nginxTlsPort, haproxyPort } = await startProxied(tls);
  const resolver = new OwnResolver();
  resolver.know({ 'inside.test': '127.0.0.1', 'twofold.test': ['::1', '127.0.0.1'] });
  const http = `http://127.0.0.1:${plain.port}`;
  const https = `https://127.0.0.1:${secure.port}`;
  const inside = { caPool, originServerName: 'inside.test' };
  const twofold = `http://twofold.test:${halfDeafPort}`;
  const rules: [name: string, service: string, originRequest?: IngressEntry['originRequest']][] = [
    ['http', http],
    ['ws', `ws://127.0.0.1:${plain.port}`],
    ['https', `https://inside.test:${secure.port}`, { caPool }],
    ['wss', `wss://inside.test:${secure.port}`, { caPool }],
    ['unix', `unix:${path}`],
    ['unix-tls', `unix+tls:${tlsPath}`, inside],
    ['hello', 'hello_world'],
    ['teapot', 'http_status:418'],
    ...TCP_SCHEMES.map((scheme): (typeof rules)[number] => {
      const isTls = scheme === 'tcp+tls';
      const port = isTls ? tlsEcho : echo.port;
      return [scheme.replace('+', '-'), `${scheme}://127.0.0.1:${port}`, isTls ? inside : {}];
    }),
    ['keep-alive', `tcp://127.0.0.1:${keepAlivePort}`, { tcpKeepAlive: '7m' }],
    ['connect-timeout', `http://127.0.0.1:${deafPort}`, { connectTimeout: '1s' }],
    ['tls-timeout', `https://127.0.0.1:${silent.port}`, { tlsTimeout: '1s' }],
    ['eyeballs', twofold, { connectTimeout: '3s' }],
    ['no-eyeballs', twofold, { connectTimeout: '3s', noHappyEyeballs: true }],
    ['kept-many', `http://127.0.0.1:${kept[0]?.port}`],
    ['kept-one', `http://127.0.0.1:${kept[1]?.port}`, { keepAliveConnections: 1 }],
    ['kept-briefly', `http://127.0.0.1:${kept[2]?.port}`, { keepAliveTimeout: '1s' }],
    ['host-header', http, { httpHostHeader: 'app.internal:8080' }],
    ['server-name', https, inside],
    ['vhost-a', https, { caPool, matchSNItoHost: true }],
    ['vhost-b', https, { caPool, matchSNItoHost: true }],
    ['no-ca', https, { originServerName: 'inside.test' }],
    ['no-verify', https, { noTLSVerify: true }],
    ['whole', http, { disableChunkedEncoding: true }],
    ['http2', https, { ...inside, http2Origin: true }],
    ['h2c', `http://127.0.0.1:${h2c.port}`, { http2Origin: true }],
    ['access', http, { access: { required: true } }],
    ['proxy-v1', `http://127.0.0.1:${nginxPort}`, { proxyProtocol: 'v1' }],
    ['proxy-v2-tls', `https://127.0.0.1:${nginxTlsPort}`, { ...inside, proxyProtocol: 'v2' }],
    ['proxy-v2', `http://127.0.0.1:${haproxyPort}`, { proxyProtocol: 'v2' }],
    ['no-proxy', `http://127.0.0.1:${haproxyPort}`],
  ];
  gateway = await startGateway({
    tcp: [...TCP_SCHEMES.map((scheme) => at(scheme.replace('+', '-'))), at('keep-alive')],
  });
  connector = await startConnector({
    gateway,
    tunnel: await gateway.createTunnel('origins', ['*.postern.test']),
    inside: resolver.inside,
    ingress: [
      ...rules.map(([name, service, originRequest = {}]) => ({
        hostname: at(name),
        service,
        originRequest,
      })),
      {
        hostname: at('changed'),
        service: http,
        rewrite: { path: '^/api/(.*)', to: '/v2/$1' },
        headers: {
          request: { set: { 'x-environment': 'staging' }, remove: ['x-forwarded-proto'] },
          response: { set: { 'x-frame-options': 'DENY' }, remove: ['content-type'] },
        },
      },
    ],
  });
});

async function startTlsEcho(tls: { cert: string; key: string }): Promise<number> {
  const server = createTlsServer({ ...tls, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined).pipe(socket);
    cleanup(() => socket.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanup(() => void server.close());
  return portOf(server);
}

/** Servers that are told by PROXY headers who connects, and answer with it. */
async function startProxied(tls: { cert: string; key: string }): Promise<{
  nginxPort: number;
  nginxTlsPort: number;
  haproxyPort: number;
}> {
  const dir = tempDir('proxied');
  const [nginxPort, nginxTlsPort, haproxyPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  writeFileSync(join(dir, 'cert.pem'), tls.cert);
  writeFileSync(join(dir, 'key.pem'), tls.key);
  await startNginx({
    server: [
      `listen 127.0.0.1:${nginxPort} proxy_protocol;`,
      `listen 127.0.0.1:${nginxTlsPort} ssl proxy_protocol;`,
      `ssl_certificate ${join(dir, 'cert.pem')};`,
      `ssl_certificate_key ${join(dir, 'key.pem')};`,
      'location = /who { return 200 "$proxy_protocol_addr $proxy_protocol_server_port"; }',
    ],
  });
  const file = join(dir, 'haproxy.cfg');
  const facts = '%[src] %[fc_pp_authority] %[fc_pp_unique_id]';
  writeFileSync(
    file,
    [
      'defaults',
      '  mode http',
      '  timeout connect 5s',
      '  timeout client 10s',
      '  timeout server 10s',
      'frontend who',
      `  bind 127.0.0.1:${haproxyPort} accept-proxy`,
      `  http-request return status 200 content-type text/plain lf-string "${facts}"`,
      '',
    ].join('\n'),
  );
  const haproxy = startProcess(toolPath('haproxy'), ['-db', '-f', file], { name: 'haproxy' });
  await whenReady(haproxy, async () => {
    const socket = openTcp(haproxyPort);
    await once(socket, 'connect');
    socket.destroy();
    return true;
  });
  return { nginxPort, nginxTlsPort, haproxyPort };
}

interface Asked {
  readonly path?: string;
  readonly method?: string;
  /** Sent in chunks. */
  readonly chunks?: readonly string[];
}

function ask(
  name: string,
  { path = '/', method = 'GET', chunks = [] }: Asked = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const hostname = at(name);
    const options = { ...gateway.connectOptions(hostname), agent: false, localAddress: USER };
    const asked = request({ ...options, path, method, headers: { host: hostname } }, (response) => {
      const read: Buffer[] = [];
      response.on('data', (chunk: Buffer) => read.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(read) });
      });
    });
    asked.on('error', reject);
    for (const chunk of chunks) asked.write(chunk);
    asked.end();
  });
}

async function told(name: string, asked: Asked = {}): Promise<Told> {
  const { status, body } = await ask(name, asked);
  expect([name, status]).toEqual([name, 200]);
  return JSON.parse(body.toString()) as Told;
}

async function refusal(name: string): Promise<{ status: number; code: string; ms: number }> {
  const begin = performance.now();
  const { status, body } = await ask(name);
  const ms = performance.now() - begin;
  const { error } = JSON.parse(body.toString()) as { error: { code: string } };
  return { status, code: error.code, ms };
}

describe('the service', () => {
  it.each([
    ['http', '1.1', null],
    ['https', '1.1', 'inside.test'],
    ['unix', '1.1', null],
    ['unix-tls', '1.1', 'inside.test'],
  ])('%s speaks HTTP with its origin', async (name, version, sni) => {
    const { host, ...seen } = await told(name, { path: '/a/b?c=d' });
    expect(seen).toMatchObject({ version, sni, url: '/a/b?c=d' });
    expect(host).toMatch(new RegExp(`^${at(name)}`));
  });

  it.each([
    ['ws', null],
    ['wss', 'inside.test'],
    ['http', null],
    ['unix', null],
  ])('%s carries WebSockets', async (name, sni) => {
    const { port, host, ...tls } = gateway.connectOptions(at(name));
    const options = { ...tls, headers: { host: at(name) } };
    const socket = new WebSocket(`wss://${host}:${port}/chat`, [], options);
    cleanup(() => socket.terminate());
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(String(message))).toMatchObject({ url: '/chat', sni });
  });

  it.each(TCP_SCHEMES)('%s carries bytes both ways, and their ends', async (scheme) => {
    const port = gateway.tcpPort(at(scheme.replace('+', '-')));
    const client = new EchoClient(openTcp(port), 1);
    await client.round(200_000);
    await client.end();
  });

  it('hello_world is a page, http_status a status, and without any there is 503', async () => {
    const page = await ask('hello');
    expect([page.status, page.body.toString()]).toEqual([200, expect.stringContaining('origins')]);
    expect((await ask('teapot')).status).toBe(418);
    expect((await ask('anything-else')).status).toBe(404);
    const tunnel = await gateway.createTunnel('empty', ['nothing.postern.test']);
    await startConnector({ gateway, tunnel, ingress: [], config: { ingress: undefined } });
    expect((await ask('nothing')).status).toBe(503);
  });
});

describe('originRequest', () => {
  it('connectTimeout ends a dial that nobody answers, tlsTimeout a handshake', async () => {
    const [dial, handshake] = await Promise.all([
      refusal('connect-timeout'),
      refusal('tls-timeout'),
    ]);
    for (const { status, code, ms } of [dial, handshake]) {
      expect([status, code]).toEqual([504, 'ORIGIN_TIMEOUT']);
      expect(ms).toBeGreaterThan(900);
      expect(ms).toBeLessThan(9_000);
    }
    const said = JSON.stringify(connector.log);
    expect(said).toMatch(/after 1s still without an answer/);
    expect(said).toMatch(/Cannot speak TLS with [^:]*127\.0\.0\.1:\d+[^:]*: no answer within 1s/);
  });

  it('tcpKeepAlive is what the kernel waits before it probes', async () => {
    const client = new EchoClient(openTcp(gateway.tcpPort(at('keep-alive'))), 2);
    await client.round(100);
    const { stdout } = await mustRun(toolPath('ss'), ['-tnoH', `dport = :${keepAlivePort}`]);
    expect(stdout).toMatch(/timer:\(keepalive,(7min|6min\d+sec|6min)/);
    await client.end();
  });

  it('noHappyEyeballs gives the first address its share of the time', async () => {
    const timed = async (name: string): Promise<number> => {
      const begin = performance.now();
      await told(name);
      return performance.now() - begin;
    };
    const [raced, patient] = await Promise.all([timed('eyeballs'), timed('no-eyeballs')]);
    expect(patient).toBeGreaterThan(1_400);
    expect(raced).toBeLessThan(patient - 300);
  });

  it('keepAliveConnections and keepAliveTimeout are how many stay, and for how long', async () => {
    const many = (name: string): Promise<unknown> =>
      Promise.all(Array.from({ length: 5 }, () => told(name, { path: '/together/5' })));
    await Promise.all([many('kept-many'), many('kept-one'), told('kept-briefly')]);
    await eventually(() => kept[1]?.connections() === 1);
    expect(kept[0]?.connections()).toBe(5);
    await eventually(() => kept[2]?.connections() === 0, { deadlineMs: 30_000 });
    expect([kept[0]?.connections(), kept[1]?.connections()]).toEqual([5, 1]);
  });

  it('httpHostHeader, originServerName and matchSNItoHost are the names that the origin is given', async () => {
    expect(await told('host-header')).toHaveProperty('host', 'app.internal:8080');
    expect(await told('server-name')).toHaveProperty('sni', 'inside.test');
    const names = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'vhost-a' : 'vhost-b'));
    const seen = await Promise.all(names.map(async (name) => (await told(name)).sni));
    expect(seen).toEqual(names.map(at));
  });

  it('caPool is whom it trusts, and noTLSVerify anybody', async () => {
    expect(await refusal('no-ca')).toMatchObject({ status: 502, code: 'ORIGIN_TLS' });
    expect(await told('server-name')).toHaveProperty('version', '1.1');
    expect(await told('no-verify')).toHaveProperty('sni');
  });

  it('disableChunkedEncoding sends a length', async () => {
    const upload = { method: 'POST', chunks: ['one ', 'two ', 'three'] };
    const body = 'one two three';
    expect(await told('http', upload)).toMatchObject({ encoding: 'chunked', length: null, body });
    expect(await told('whole', upload)).toMatchObject({ encoding: null, length: '13', body });
  });

  it('http2Origin speaks HTTP/2, by agreement over TLS and at once without', async () => {
    expect(await told('https')).toHaveProperty('version', '1.1');
    expect(await told('http2')).toHaveProperty('version', '2.0');
    expect(await told('h2c')).toHaveProperty('version', '2.0');
  });

  it('access lets nobody in of whom nothing is known', async () => {
    expect(await refusal('access')).toMatchObject({ status: 403, code: 'ORIGIN_ACCESS' });
  });

  it('proxyProtocol tells nginx and haproxy who the user is, for each request anew', async () => {
    for (const name of ['proxy-v1', 'proxy-v2-tls']) {
      const { body } = await ask(name, { path: '/who' });
      expect(body.toString()).toMatch(new RegExp(`^${USER} \\d+$`));
    }
    const { body } = await ask('proxy-v2');
    expect(body.toString()).toMatch(new RegExp(`^${USER} ${at('proxy-v2')} \\S+$`));
    const again = await gateway.fetch(at('proxy-v2'));
    expect(again.body.toString()).toMatch(/^127\.0\.0\.1 /);
    // haproxy takes nobody who does not say it.
    expect((await ask('no-proxy')).status).toBe(502);
  });

  it('is beside rewrite and headers, which change what is sent and answered', async () => {
    const { headers, body } = await ask('changed', { path: '/api/users?x=1' });
    expect(headers).toHaveProperty('x-frame-options', 'DENY');
    expect(headers).not.toHaveProperty('content-type');
    const { url, fields } = JSON.parse(body.toString()) as Told;
    expect([url, fields['x-environment']]).toEqual(['/v2/users?x=1', 'staging']);
    expect(fields).not.toHaveProperty('x-forwarded-proto');
    expect((await told('http')).fields).toHaveProperty('x-forwarded-proto', 'https');
  });

  it.each([
    [{ proxyAddress: '10.0.0.1' }, /proxyAddress: has no effect/],
    [{ proxyPort: 8000 }, /proxyPort: has no effect/],
    [{ ipRules: [{ prefix: '10.0.0.0/8' }] }, /ipRules: has no effect on this service/],
    [{ proxyType: 'socks' }, /proxyType: has no effect on this service/],
    [{ nonsense: true }, /unknown key "nonsense"/],
  ])(
    '%j is refused where it does nothing, by the command that checks the file',
    async (own, says) => {
      const file = join(tempDir('config'), 'config.yml');
      const rule = { hostname: 'a.test', service: 'http://a', originRequest: own };
      const ingress = [rule, { service: 'http_status:404' }];
      writeFileSync(file, JSON.stringify({ gateway: gateway.url, ingress }));
      const [command, args] = posternCommand('tunnel', 'ingress', 'validate', '--config', file);
      const { code, stderr } = await run(command, args, { env: posternEnv() });
      expect([code, stderr]).toEqual([2, expect.stringMatching(says)]);
    },
  );
});
